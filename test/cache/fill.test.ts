import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { connect } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";

const SIZE = 3 * 1024 * 1024;

let cistern: Embedded;
let origin: FaultOrigin;
let path: string;
let bytes: Buffer;
let sequence = 0;

beforeAll(async () => {
  cistern = await startEmbedded();
});
afterAll(() => cistern[Symbol.asyncDispose]());
beforeEach(async () => {
  origin = await startFaultOrigin();
  sequence += 1;
  path = `/image-${sequence}.img`;
  bytes = randomBytes(SIZE);
  return () => origin[Symbol.asyncDispose]();
});

function image(...behaviours: Behaviour[]): Promise<string> {
  origin.serve(path, bytes, ...behaviours);
  return cistern.image({ url: origin.url(path), sha256: digestOf(bytes) });
}

/** A behaviour that keeps the bytes from `at` on back until `open` is called. */
function held(at: number): { behaviour: Behaviour; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { behaviour: { hold: { at, until: promise } }, open: resolve };
}

async function spooled(): Promise<string[]> {
  return (await readdir(join(cistern.dataDir, "spool"))).filter((name) => name.endsWith(".spool"));
}

const codeOf = (body: Buffer): string => JSON.parse(body.toString()).error.code;

describe("I3: once", () => {
  test("a herd on a cold blob costs the origin one download", async () => {
    const { behaviour, open } = held(0);
    const blob = await image(behaviour);
    const herd = Array.from({ length: 60 }, () => cistern.ask("GET", blob));
    await origin.requested(path);
    open();
    const answers = await Promise.all(herd);
    expect(answers.every((answer) => answer.complete && answer.body.equals(bytes))).toBe(true);
    expect(origin.bytesSent(path)).toBe(SIZE);
    const fills = answers.filter((answer) => answer.headers["cache-status"]?.includes("detail=fill"));
    expect(fills.length).toBeGreaterThanOrEqual(1);
  });

  test("two records of one project with one sha256 share one fill, and then one object", async () => {
    const { behaviour, open } = held(0);
    const first = await image(behaviour);
    const second = await cistern.image({ url: `${origin.url(path)}?other=1`, sha256: digestOf(bytes) });
    const both = [cistern.ask("GET", first), cistern.ask("GET", second)];
    await origin.requested(path);
    open();
    for (const answer of await Promise.all(both)) expect(answer.body.equals(bytes)).toBe(true);
    expect(origin.requests(path).length).toBe(1);
  });

  test("a blob of unknown digest that is read again after its fetch is a hit", async () => {
    origin.serve(path, bytes);
    const blob = await cistern.image({ url: origin.url(path) });
    await cistern.ask("GET", blob);
    expect((await cistern.ask("GET", blob)).headers["cache-status"]).toBe("Cistern; hit");
    expect(origin.requests(path).length).toBe(1);
  });
});

describe("I4: a fill belongs to no request", () => {
  test("the leader leaves: the followers get everything, nothing is fetched twice, the spool is gone", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const blob = await image(behaviour);
    const left = cistern.ask("GET", blob, { onData: (_chunk, soFar) => soFar < 100_000 });
    await left.catch(() => undefined);
    const follower = cistern.ask("GET", blob);
    open();
    const answer = await follower;
    expect([answer.complete, answer.body.equals(bytes)]).toEqual([true, true]);
    expect(origin.requests(path).length).toBe(1);
    await expect.poll(spooled).toEqual([]);
  });

  test("nobody is left: the fill goes on, and the next read is a hit", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const blob = await image(behaviour);
    await cistern.ask("GET", blob, { onData: () => false }).catch(() => undefined);
    open();
    await expect.poll(async () => (await cistern.ask("HEAD", blob)).headers["cache-status"]).toBe("Cistern; hit");
    expect(origin.bytesSent(path)).toBe(SIZE);
  });
});

describe("ranges while the bytes are being fetched", () => {
  test("a range waits for its bytes, and its end for the verdict", async () => {
    const { behaviour, open } = held(SIZE - 10);
    const blob = await image(behaviour);
    let seen = 0;
    const middle = cistern.ask("GET", blob, {
      headers: { Range: "bytes=1000000-1999999" },
      onData: (_chunk, soFar) => {
        seen = soFar;
        return true;
      },
    });
    await expect.poll(() => seen).toBe(1_000_000 - 64 * 1024);
    open();
    const answer = await middle;
    expect([answer.status, answer.headers["content-range"]]).toEqual([206, `bytes 1000000-1999999/${SIZE}`]);
    expect(answer.body.equals(bytes.subarray(1_000_000, 2_000_000))).toBe(true);
  });

  test("I1: a range of content that turns out wrong is reset, whatever it had", async () => {
    const blob = await image({ flipBitAt: SIZE - 1 });
    const answer = await cistern.ask("GET", blob, { headers: { Range: "bytes=0-99999" } });
    expect(answer.complete).toBe(false);
  });

  test("a range outside waits for the verified size before it is refused", async () => {
    const { behaviour, open } = held(SIZE - 10);
    const blob = await image(behaviour);
    let answered = false;
    const outside = cistern.ask("GET", blob, { headers: { Range: `bytes=${SIZE}-` } }).finally(() => {
      answered = true;
    });
    await origin.requested(path);
    await cistern.ask("HEAD", blob);
    expect(answered).toBe(false);
    open();
    const answer = await outside;
    expect([answer.status, answer.headers["content-range"]]).toEqual([416, `bytes */${SIZE}`]);
  });

  test("suffix, open end and conditions on a hit follow RFC 9110", async () => {
    const blob = await image();
    const whole = await cistern.ask("GET", blob);
    const etag = String(whole.headers.etag);
    const range = (value: string, more: Record<string, string> = {}) =>
      cistern.ask("GET", blob, { headers: { Range: value, ...more } });
    expect((await range("bytes=-5")).body.equals(bytes.subarray(SIZE - 5))).toBe(true);
    expect((await range("bytes=3145720-")).headers["content-range"]).toBe(`bytes 3145720-${SIZE - 1}/${SIZE}`);
    expect((await range("bytes=0-1,5-6")).status).toBe(200);
    expect((await range("bytes=oops")).status).toBe(200);
    expect((await range("bytes=9999999-")).status).toBe(416);
    expect((await range("bytes=0-4", { "If-Range": etag })).status).toBe(206);
    expect((await range("bytes=0-4", { "If-Range": '"other"' })).status).toBe(200);
    expect((await cistern.ask("GET", blob, { headers: { "If-None-Match": etag } })).status).toBe(304);
    expect((await cistern.ask("GET", blob, { headers: { "If-Match": '"other"' } })).status).toBe(412);
    const since = String(whole.headers["last-modified"]);
    expect((await cistern.ask("GET", blob, { headers: { "If-Modified-Since": since } })).status).toBe(304);
  });
});

describe("clients that would take a cut body for complete", () => {
  test("python-requests gets chunks instead of a length while bytes are unverified", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const blob = await image(behaviour);
    const asked = cistern.ask("GET", blob, { headers: { "User-Agent": "python-requests/2.28.1" } });
    await origin.requested(path);
    open();
    const answer = await asked;
    expect([answer.headers["content-length"], answer.headers["transfer-encoding"]]).toEqual([undefined, "chunked"]);
    expect(answer.body.equals(bytes)).toBe(true);
  });

  test("HTTP/1.0 and an unknown length: not a byte before the verdict", async () => {
    const { behaviour, open } = held(SIZE - 1);
    const blob = await image({ ...behaviour, framing: "chunked" });
    const { port, hostname } = new URL(cistern.url);
    const socket = connect(Number(port), hostname);
    socket.write(`GET ${blob} HTTP/1.0\r\nX-Auth-Token: ${cistern.adminToken}\r\n\r\n`);
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    await origin.requested(path);
    await cistern.ask("HEAD", blob);
    expect(received).toBe(0);
    open();
    await new Promise((resolve) => socket.on("end", resolve));
    expect(received).toBeGreaterThan(SIZE);
  });
});

describe("records that go while their bytes are fetched (I5)", () => {
  test("deleting the last record cancels the fill and cuts its readers", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const blob = await image(behaviour);
    const reader = cistern.ask("GET", blob);
    await origin.requested(path);
    expect((await cistern.ask("DELETE", blob.replace(/\/image$/, ""))).status).toBe(204);
    const answer = await reader;
    open();
    expect(answer.complete).toBe(false);
    await expect.poll(spooled).toEqual([]);
    expect((await cistern.ask("GET", blob)).status).toBe(404);
  });

  test("deleting one of two records changes nothing for the other", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const first = await image(behaviour);
    const second = await cistern.image({ url: origin.url(path), sha256: digestOf(bytes) });
    const readers = [cistern.ask("GET", first), cistern.ask("GET", second)];
    await origin.requested(path);
    await expect.poll(async () => origin.requests(path)[0]?.bytesSent).toBeGreaterThan(0);
    await cistern.ask("DELETE", first.replace(/\/image$/, ""));
    open();
    const [, kept] = await Promise.all(readers);
    expect([kept?.complete, kept?.body.equals(bytes)]).toEqual([true, true]);
  });

  test("cached bytes go with their last reference, and not before", async () => {
    const first = await image();
    const second = await cistern.image({ url: origin.url(path), sha256: digestOf(bytes) });
    await cistern.ask("GET", first);
    await cistern.ask("GET", second);
    const objects = async () => {
      const files = await readdir(join(cistern.dataDir, "store"), { recursive: true });
      return files.filter((name) => name.includes(`${digestOf(bytes)}/`)).length;
    };
    await expect.poll(objects).toBe(1);
    await cistern.ask("DELETE", first.replace(/\/image$/, ""));
    expect((await cistern.ask("GET", second)).headers["cache-status"]).toBe("Cistern; hit");
    await cistern.ask("DELETE", second.replace(/\/image$/, ""));
    await expect.poll(objects, { timeout: 10_000 }).toBe(0);
  });
});

describe("HEAD", () => {
  test("of cold content tells the recorded size and starts no fill", async () => {
    origin.serve(path, bytes);
    const blob = await cistern.image({ url: origin.url(path), sha256: digestOf(bytes), size: SIZE });
    const answer = await cistern.ask("HEAD", blob);
    expect([answer.status, answer.headers["content-length"]]).toEqual([200, String(SIZE)]);
    expect(origin.requests().length).toBe(0);
  });

  test("of cold content of unknown size asks the origin, once", async () => {
    const blob = await image();
    for (let count = 0; count < 3; count += 1) {
      expect((await cistern.ask("HEAD", blob)).headers["content-length"]).toBe(String(SIZE));
    }
    expect(origin.requests().map(({ method }) => method)).toEqual(["HEAD"]);
  });
});

test("HEAD of a record that may have content which is here is a hit, though its origin is gone", async () => {
  origin.serve(path, bytes);
  const sha256 = digestOf(bytes);
  const first = await cistern.image({ url: origin.url(path), sha256 });
  await cistern.ask("GET", first);
  const second = await cistern.image({ url: origin.url(path), sha256 });
  await expect.poll(async () => (await cistern.ask("HEAD", first)).headers["cache-status"]).toBe("Cistern; hit");
  await origin[Symbol.asyncDispose]();
  const answer = await cistern.ask("HEAD", second);
  expect([answer.status, answer.headers["cache-status"]]).toEqual([200, "Cistern; hit"]);
});

describe("modes", () => {
  test("proxy: verified and shared, not kept; what was cached before is served", async () => {
    await using proxy = await startEmbedded({ env: { CISTERN_MODE: "proxy" } });
    origin.serve(path, bytes);
    const blob = await proxy.image({ url: origin.url(path), sha256: digestOf(bytes) });
    for (const fetches of [1, 2]) {
      const answer = await proxy.ask("GET", blob);
      expect([answer.complete, answer.body.equals(bytes), origin.requests(path).length]).toEqual([true, true, fetches]);
      // Whoever asks while the fill is still tidying up shares it.
      await expect.poll(() => readdir(join(proxy.dataDir, "spool"))).toEqual([]);
    }
    const files = await readdir(join(proxy.dataDir, "store"), { recursive: true, withFileTypes: true });
    expect(files.filter((file) => file.isFile())).toEqual([]);
  });

  test("redirect: only without X-Auth-Token, to a listed host, of a URL without a secret, with a digest", async () => {
    const env = { CISTERN_MODE: "redirect", CISTERN_REDIRECT_HOSTS: `127.0.0.1:${origin.port}` };
    await using redirecting = await startEmbedded({ env });
    origin.serve(path, bytes);
    const sha256 = digestOf(bytes);
    const url = origin.url(path);
    const plain = await redirecting.image({ url, sha256 });
    const Authorization = `Bearer ${redirecting.adminToken}`;
    const bearer = { token: null, headers: { Authorization } };
    const sent = await redirecting.ask("GET", plain, bearer);
    expect([sent.status, sent.headers.location, sent.headers["cache-control"]]).toEqual([302, url, "no-store"]);
    expect((await redirecting.ask("GET", plain)).status).toBe(200);
    const secret = await redirecting.image({ url: `${url}?token=abc`, sha256: digestOf(bytes) });
    expect((await redirecting.ask("GET", secret, bearer)).status).toBe(200);
    bytes = randomBytes(SIZE);
    origin.serve("/no-digest", bytes);
    const unrecorded = await redirecting.image({ url: origin.url("/no-digest") });
    expect((await redirecting.ask("GET", unrecorded, bearer)).status).toBe(200);
  });
});

describe("I6: knowing a digest is no right to the bytes", () => {
  test("a record of another project fetches from its own location; what it cannot fetch it cannot read", async () => {
    await using guarded = await startEmbedded({ env: { CISTERN_ORIGIN_HOSTS: `127.0.0.1:${origin.port}` } });
    const victim = await guarded.token("victim", ["member"]);
    const thief = await guarded.token("thief", ["member"]);
    origin.serve("/secret", bytes);
    origin.serve("/elsewhere", randomBytes(10));
    const sha256 = digestOf(bytes);
    const own = await guarded.image({ url: `${origin.url("/secret")}?token=s3cret`, sha256 }, {}, victim);
    expect((await guarded.ask("GET", own, { token: victim })).body.equals(bytes)).toBe(true);

    const probe = await guarded.image({ url: origin.url("/elsewhere"), sha256 }, {}, thief);
    const stolen = await guarded.ask("GET", probe, { token: thief });
    expect([stolen.status, codeOf(stolen.body)]).toEqual([502, "digest-mismatch"]);
    expect((await guarded.ask("HEAD", probe, { token: thief })).headers["cache-status"]).not.toContain("hit");
    expect((await guarded.ask("GET", own, { token: thief })).status).toBe(404);

    // One that can fetch the bytes earns them, with a fetch of its own, and shares the object.
    const before = origin.requests("/secret").length;
    const earned = await guarded.image({ url: origin.url("/secret"), sha256 }, {}, thief);
    const answer = await guarded.ask("GET", earned, { token: thief });
    expect([answer.headers["cache-status"], answer.body.equals(bytes)]).toEqual([
      "Cistern; fwd=miss; detail=fill",
      true,
    ]);
    expect(origin.requests("/secret").length).toBe(before + 1);
    const status = async () => (await guarded.ask("GET", earned, { token: thief })).headers["cache-status"];
    await expect.poll(status).toBe("Cistern; hit");
  });

  test("a running fill of another project is not joined on the strength of a digest", async () => {
    await using guarded = await startEmbedded({ env: { CISTERN_ORIGIN_HOSTS: `127.0.0.1:${origin.port}` } });
    const victim = await guarded.token("victim", ["member"]);
    const thief = await guarded.token("thief", ["member"]);
    const { behaviour, open } = held(SIZE - 1);
    origin.serve("/secret", bytes, behaviour);
    const sha256 = digestOf(bytes);
    const own = await guarded.image({ url: origin.url("/secret"), sha256 }, {}, victim);
    const reading = guarded.ask("GET", own, { token: victim });
    await origin.requested("/secret");
    const probe = await guarded.image({ url: origin.url("/nothing-here"), sha256 }, {}, thief);
    expect((await guarded.ask("GET", probe, { token: thief })).status).toBe(502);
    open();
    expect((await reading).body.equals(bytes)).toBe(true);
  });

  test("a URL that never delivered is no way in to what a mirror brought, nor is what was public once", async () => {
    await using guarded = await startEmbedded({ env: { CISTERN_ORIGIN_HOSTS: `127.0.0.1:${origin.port}` } });
    const victim = await guarded.token("victim", ["member"]);
    const thief = await guarded.token("thief", ["member"]);
    const sha256 = digestOf(bytes);
    origin.serve("/secret", bytes);
    const mirrors = { m: { url: `${origin.url("/secret")}?token=s3cret`, sha256 } };
    const own = await guarded.image({ url: origin.url("/dead"), sha256 }, mirrors, victim);
    expect((await guarded.ask("GET", own, { token: victim })).body.equals(bytes)).toBe(true);
    const probe = await guarded.image({ url: origin.url("/dead"), sha256 }, {}, thief);
    expect((await guarded.ask("GET", probe, { token: thief })).status).toBe(502);

    bytes = randomBytes(SIZE);
    const { behaviour, open } = held(SIZE - 1);
    origin.serve("/shown", bytes, behaviour);
    const shown = await guarded.image({ url: origin.url("/shown"), sha256: digestOf(bytes) }, {}, victim);
    const headers = { "Content-Type": "application/json-patch+json" };
    const show = (value: string) =>
      guarded.ask("PATCH", shown.replace(/\/image$/, ""), {
        headers,
        body: JSON.stringify([{ op: "replace", path: "/visibility", value }]),
      });
    expect((await show("public")).status).toBe(200);
    const reading = guarded.ask("GET", shown, { token: victim });
    await origin.requested("/shown");
    expect((await show("private")).status).toBe(200);
    const late = await guarded.image({ url: origin.url("/nowhere"), sha256: digestOf(bytes) }, {}, thief);
    expect((await guarded.ask("GET", late, { token: thief })).status).toBe(502);
    open();
    expect((await reading).body.equals(bytes)).toBe(true);
  });
});
