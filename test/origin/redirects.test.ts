import { describe, expect, test } from "vitest";
import { maskUrl } from "../../src/domain/location.ts";
import { startFaultOrigin } from "../support/fault-origin.ts";
import { at, BEHALF, NEVER, openSource, take } from "./open-source.ts";

const BLOB = Buffer.from("where it leads");

describe("redirects", () => {
  test("are followed five times and no more", async () => {
    await using origin = await startFaultOrigin();
    await using source = openSource();
    origin.serve("/b", BLOB);
    origin.redirectChain("/five", 5, "/b");
    origin.redirectChain("/six", 6, "/b");
    expect(await take(source, origin.url("/five"))).toMatchObject({ end: "complete", bytes: BLOB });
    expect((await take(source, origin.url("/six"))).end).toBe("origin-refused");
    expect(origin.requests("/b")).toHaveLength(1);
  });

  test("that go round are left at once", async () => {
    await using origin = await startFaultOrigin();
    await using source = openSource();
    origin.serve("/a", BLOB, { redirect: "/b" });
    origin.serve("/b", BLOB, { redirect: "/a" });
    expect((await take(source, origin.url("/a"))).end).toBe("origin-refused");
    expect(origin.requests()).toHaveLength(2);
  });

  test("to names that are not ASCII lead to their bytes", async () => {
    await using origin = await startFaultOrigin();
    await using source = openSource();
    const target = Buffer.from("/bä 1").toString("latin1");
    origin.serve("/r", BLOB, { redirect: target });
    origin.serve("/b%C3%A4%201", BLOB);
    expect(await take(source, origin.url("/r"))).toMatchObject({ end: "complete", bytes: BLOB });
  });

  test("of every kind lead on, for HEAD too, and a resume keeps its range", async () => {
    await using origin = await startFaultOrigin();
    await using source = openSource();
    origin.serve("/b", BLOB, { etag: '"v"' });
    for (const redirectStatus of [301, 302, 303, 307, 308] as const) {
      origin.serve("/r", BLOB, { redirect: "/b?x=1", redirectStatus });
      const validator = { kind: "etag", value: '"v"' } as const;
      const outcome = await take(source, origin.url("/r"), { offset: 6, validator });
      expect(outcome).toMatchObject({ answer: { offset: 6 }, bytes: BLOB.subarray(6) });
      expect((await source.head({ location: at(origin.url("/r")), behalf: BEHALF }, NEVER)).size).toBe(BLOB.length);
    }
    expect(
      origin.requests("/b").every(({ method, range }) => range === (method === "GET" ? "bytes=6-" : undefined)),
    ).toBe(true);
  });

  test("take credentials along within an origin, and never to another", async () => {
    await using home = await startFaultOrigin();
    await using away = await startFaultOrigin();
    home.serve("/within", BLOB, { redirect: "/b" });
    home.serve("/out", BLOB, { redirect: away.url("/b", "planted:secret@127.0.0.1") });
    home.serve("/b", BLOB);
    away.serve("/b", BLOB);
    await using source = openSource();
    const user = "user%40site:p%C3%A4ss%3A%zz@127.0.0.1";
    const basic = `Basic ${Buffer.from("user@site:päss:%zz").toString("base64")}`;
    await take(source, home.url("/within", user));
    await take(source, home.url("/out", user));
    expect(home.requests().map(({ headers }) => headers.authorization)).toEqual([basic, basic, basic]);
    expect(away.requests().map(({ headers }) => headers.authorization)).toEqual([undefined]);
  });
});

describe("what leaves with a request", () => {
  test("is no more than needed, with the name that tells a loop", async () => {
    await using origin = await startFaultOrigin();
    await using source = openSource({ loopId: "cistern-7f" });
    origin.serve("/b", BLOB);
    await take(source, origin.url("/b?token=1"));
    expect(origin.requests("/b")[0]?.headers).toEqual({
      host: `127.0.0.1:${origin.port}`,
      connection: "keep-alive",
      accept: "*/*",
      "accept-encoding": "identity",
      "cdn-loop": "cistern-7f",
      "user-agent": "Cistern",
    });
  });

  test("is never told by an error: no user, no password, no query", async () => {
    await using origin = await startFaultOrigin();
    await using source = openSource();
    origin.serve("/gone", BLOB, { status: 404 });
    origin.serve("/cut", BLOB, { closeAt: 3 });
    origin.serve("/away", BLOB, { redirect: "http://user:hunter2@10.0.0.1/?sig=hunter2" });
    origin.serve("/odd", BLOB, { redirect: "http://[hunter2" });
    origin.serve("/stop", BLOB, { resetAt: 0 });
    for (const path of ["/gone", "/cut", "/away", "/odd", "/stop", "/none"]) {
      const { error } = await take(source, `${origin.url(path, "user:hunter2@127.0.0.1")}?sig=hunter2`);
      expect(error).toMatchObject({ origin: `127.0.0.1:${origin.port}` });
      // Causes too: they go to the log.
      for (let at: unknown = error; at instanceof Error; at = at.cause) {
        expect(JSON.stringify({ ...at, message: at.message, stack: at.stack })).not.toContain("hunter2");
      }
    }
    expect(maskUrl("http://user:hunter2@127.0.0.1/")).not.toContain("hunter2");
  });
});

describe("the size", () => {
  test.each([
    ["is told", {}, BLOB.length],
    ["is not told", { framing: "chunked" as const }, undefined],
    ["is that of a coding", { encoding: "label" as const }, undefined],
    ["may not be asked", { headStatus: 405 }, undefined],
    ["is not known to be asked", { headStatus: 501 }, undefined],
    ["is forbidden, as with URLs that are signed for GET", { headStatus: 403 }, undefined],
  ])("%s", async (_, behaviour, expected) => {
    await using origin = await startFaultOrigin();
    await using source = openSource();
    origin.serve("/b", BLOB, behaviour);
    expect((await source.head({ location: at(origin.url("/b")), behalf: BEHALF }, NEVER)).size).toBe(expected);
    expect(origin.bytesSent()).toBe(0);
  });

  test("of nothing is an error, and so is silence", async () => {
    await using origin = await startFaultOrigin();
    await using source = openSource({ timeouts: { connectMs: 9_000, headersMs: 9_000, stallMs: 9_000, sizeMs: 200 } });
    origin.serve("/b", BLOB, { holdHeaders: new Promise(() => {}) });
    await expect(source.head({ location: at(origin.url("/none")), behalf: BEHALF }, NEVER)).rejects.toMatchObject({
      code: "origin-refused",
    });
    await expect(source.head({ location: at(origin.url("/b")), behalf: BEHALF }, NEVER)).rejects.toMatchObject({
      code: "origin-timeout",
    });
    const reason = new Error("no more");
    await expect(
      source.head({ location: at(origin.url("/b")), behalf: BEHALF }, AbortSignal.abort(reason)),
    ).rejects.toBe(reason);
  });
});
