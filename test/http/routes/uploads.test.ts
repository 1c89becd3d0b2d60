import { createHash, randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { someImage } from "../artifacts.ts";
import { answerOf, artifactOf, call, problemOf, start } from "../call.ts";
import { type Edge, openEdge, snapshot } from "../edge.ts";

const MAX = 4 * 1024 * 1024;
const MIB = 1024 * 1024;
let edge: Edge;
let member = "";

beforeAll(async () => {
  edge = await openEdge({ maxUploadBytes: MAX, spoolBytes: 64 * MIB, stallMs: 300 });
  member = await edge.token("blue", ["member"]);
});

afterAll(async () => {
  expect(edge.faults).toEqual([]);
  await edge[Symbol.asyncDispose]();
});

const hex = (algorithm: string, bytes: Uint8Array) => createHash(algorithm).update(bytes).digest("hex");

async function spooled(): Promise<readonly string[]> {
  return (await readdir(join(edge.directory, "spool"))).filter((name) => name.endsWith(".spool"));
}

/** Resolves when nothing of an upload lies in the spool any more. */
async function spoolEmpty(): Promise<void> {
  await expect.poll(spooled, { timeout: 10_000, interval: 20 }).toEqual([]);
}

async function stored(sha256: string, size: number): Promise<Buffer | undefined> {
  for await (const name of edge.store.list(AbortSignal.timeout(10_000))) {
    if (name.sha256 !== sha256) continue;
    await using object = await edge.store.open(name, size);
    if (object === undefined) return undefined;
    const bytes = Buffer.alloc(size);
    expect(await object.read(bytes, 0)).toBe(size);
    return bytes;
  }
  return undefined;
}

describe("an upload", () => {
  test.each([
    ["with a length", 3 * MIB + 17, true],
    ["in chunks", 2 * MIB + 1, false],
    ["of one byte", 1, true],
    ["of nothing", 0, true],
  ])("%s is kept byte for byte under the digests that clients verify", async (_what, size, announced) => {
    const path = await someImage(edge, member);
    const bytes = randomBytes(size);
    const sent = start(edge.port, "PUT", `${path}/image`, {
      "X-Auth-Token": member,
      "Content-Type": "application/x-qcow2; v=3",
      ...(announced ? { "Content-Length": size } : { "Transfer-Encoding": "chunked" }),
    });
    const answered = answerOf(sent);
    for (let at = 0; at < size; at += 100_000) sent.write(bytes.subarray(at, at + 100_000));
    sent.end();
    const answer = await answered;
    expect(answer.status).toBe(200);
    expect(answer.json()).toMatchObject({
      image: {
        url: `${path}/image`,
        size,
        external: false,
        status: "active",
        content_type: "application/x-qcow2; v=3",
        md5: hex("md5", bytes),
        sha1: null,
        sha256: hex("sha256", bytes),
        sha512: hex("sha512", bytes),
      },
    });
    expect((await stored(hex("sha256", bytes), size))?.equals(bytes)).toBe(true);
    await spoolEmpty();
  });

  test("of a file computes sha256 alone", async () => {
    const json = { name: randomBytes(8).toString("hex") };
    const { id } = artifactOf(await call(edge.port, "POST", "/artifacts/files", { token: member, json }));
    const answer = await call(edge.port, "PUT", `/artifacts/files/${id}/file`, { token: member, body: "text" });
    expect(answer.json()).toMatchObject({
      file: {
        md5: null,
        sha512: null,
        sha256: hex("sha256", Buffer.from("text")),
        content_type: "application/octet-stream",
      },
    });
  });

  test("of bytes that another artifact has shares one object", async () => {
    const bytes = randomBytes(1000);
    const paths = [await someImage(edge, member), await someImage(edge, member)];
    await Promise.all(
      paths.map(async (path) =>
        artifactOf(await call(edge.port, "PUT", `${path}/image`, { token: member, body: bytes })),
      ),
    );
    const objects = [];
    for await (const name of edge.store.list(AbortSignal.timeout(10_000))) {
      if (name.sha256 === hex("sha256", bytes)) objects.push(name);
    }
    expect(objects).toHaveLength(1);
    expect(await stored(hex("sha256", bytes), 1000)).toEqual(bytes);
  });

  test("into one blob by two at the same time: one wins, nothing of the other stays", async () => {
    const path = await someImage(edge, member);
    const bodies = [randomBytes(100_000), randomBytes(100_000)];
    const answers = await Promise.all(
      bodies.map((body) => call(edge.port, "PUT", `${path}/image`, { token: member, body })),
    );
    expect(answers.map(({ status }) => status).toSorted()).toEqual([200, 409]);
    const kept = await Promise.all(bodies.map((body) => stored(hex("sha256", body), body.length)));
    expect(kept.map((bytes) => bytes !== undefined)).toEqual(answers.map(({ status }) => status === 200));
    await spoolEmpty();
  });
});

describe("an upload that is refused leaves nothing", () => {
  const refused = async (headers: Record<string, string | number>, body: Uint8Array | string, token = member) => {
    const path = await someImage(edge, member);
    const before = await snapshot(edge);
    const answer = await call(edge.port, "PUT", `${path}/image`, { token, body, headers });
    expect(await snapshot(edge)).toBe(before);
    await spoolEmpty();
    return [answer.status, problemOf(answer).code, ...problemOf(answer).fields];
  };

  test("announced as too large, before its bytes come", async () => {
    const path = await someImage(edge, member);
    const sent = start(edge.port, "PUT", `${path}/image`, { "X-Auth-Token": member, "Content-Length": MAX + 1 });
    const answered = answerOf(sent);
    sent.flushHeaders();
    const answer = await answered;
    expect([answer.status, problemOf(answer).code]).toEqual([413, "payload-too-large"]);
    sent.destroy();
  });

  test("of an absurd length", async () => {
    const path = await someImage(edge, member);
    for (const length of ["9007199254740993", "18446744073709551615"]) {
      const sent = start(edge.port, "PUT", `${path}/image`, { "X-Auth-Token": member, "Content-Length": length });
      const answered = answerOf(sent);
      sent.flushHeaders();
      expect((await answered).status).toBe(413);
      sent.destroy();
    }
  });

  test("that turns out too large while it comes", async () => {
    const path = await someImage(edge, member);
    const before = await snapshot(edge);
    const sent = start(edge.port, "PUT", `${path}/image`, { "X-Auth-Token": member, "Transfer-Encoding": "chunked" });
    const answered = answerOf(sent);
    sent.on("error", () => undefined); // the server stops reading, and may close
    for (let at = 0; at <= MAX; at += MIB) sent.write(Buffer.alloc(MIB));
    const answer = await answered;
    expect([answer.status, problemOf(answer).code]).toEqual([413, "payload-too-large"]);
    sent.destroy();
    expect(await snapshot(edge)).toBe(before);
    await spoolEmpty();
  });

  test("by its media type, its coding or its range", async () => {
    expect(await refused({ "Content-Type": "nonsense" }, "x")).toEqual([400, "invalid-input", "header.content-type"]);
    expect(await refused({ "Content-Type": `a/${"b".repeat(300)}` }, "x")).toEqual([
      400,
      "invalid-input",
      "header.content-type",
    ]);
    expect(await refused({ "Content-Encoding": "gzip" }, "x")).toEqual([
      400,
      "invalid-input",
      "header.content-encoding",
    ]);
    expect(await refused({ "Content-Range": "bytes 0-0/5" }, "x")).toEqual([
      400,
      "invalid-input",
      "header.content-range",
    ]);
  });

  test("without a body: a blob does not become empty because it was forgotten", async () => {
    const path = await someImage(edge, member);
    const before = await snapshot(edge);
    const socket = connect(edge.port, "127.0.0.1");
    socket.end(`PUT ${path}/image HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${member}\r\nConnection: close\r\n\r\n`);
    const answer = await text(socket);
    expect(answer).toMatch(/^HTTP\/1.1 400 /);
    expect(answer).toContain('"field":"header.content-length"');
    expect(await snapshot(edge)).toBe(before);
  });

  test("without a token, or with a reader's", async () => {
    expect(await refused({}, "x", "cst_nobody")).toEqual([401, "unauthenticated"]);
    expect(await refused({}, "x", await edge.token("blue", ["reader"]))).toEqual([403, "forbidden"]);
    expect(await refused({}, "x", await edge.token("red", ["member"]))).toEqual([404, "artifact-not-found"]);
  });

  test("when its client leaves half way", async () => {
    const path = await someImage(edge, member);
    const before = await snapshot(edge);
    const sent = start(edge.port, "PUT", `${path}/image`, { "X-Auth-Token": member, "Content-Length": 2 * MIB });
    const gone = answerOf(sent).catch((error: unknown) => error);
    sent.write(Buffer.alloc(MIB));
    await expect.poll(async () => (await spooled()).length, { interval: 10 }).toBe(1);
    sent.destroy();
    expect(await gone).toBeInstanceOf(Error);
    await spoolEmpty();
    expect(await snapshot(edge)).toBe(before);
  });

  test("when its client falls silent: 408, and the next upload works", async () => {
    const path = await someImage(edge, member);
    const sent = start(edge.port, "PUT", `${path}/image`, { "X-Auth-Token": member, "Content-Length": 2 * MIB });
    const answered = answerOf(sent);
    sent.write(Buffer.alloc(MIB));
    const answer = await answered;
    expect([answer.status, problemOf(answer).code]).toEqual([408, "request-timeout"]);
    sent.destroy();
    await spoolEmpty();
    artifactOf(await call(edge.port, "PUT", `${path}/image`, { token: member, body: "bytes" }));
  });

  test("when there is no room in the spool: 507", async () => {
    await using small = await openEdge({ spoolBytes: MIB });
    const token = await small.token("blue", ["member"]);
    const path = await someImage(small, token);
    const answer = await call(small.port, "PUT", `${path}/image`, { token, body: Buffer.alloc(2 * MIB) });
    expect([answer.status, problemOf(answer).code]).toEqual([507, "spool-full"]);
    artifactOf(await call(small.port, "PUT", `${path}/image`, { token, body: "fits" }));
  });
});
