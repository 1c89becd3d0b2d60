import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";

const SIZE = 3 * 1024 * 1024;
/** What may be lost in a broken stream: what was on its way when it broke. */
const IN_FLIGHT = 512 * 1024;

let cistern: Embedded;
let origin: FaultOrigin;
let path: string;
let bytes: Buffer;
let sequence = 0;

beforeAll(async () => {
  cistern = await startEmbedded({ env: { CISTERN_STALL_TIMEOUT: "PT1S", CISTERN_HEADERS_TIMEOUT: "PT1S" } });
});
afterAll(() => cistern[Symbol.asyncDispose]());

// Each test has an origin of its own: back-off goes by host and port.
beforeEach(async () => {
  origin = await startFaultOrigin();
  sequence += 1;
  path = `/image-${sequence}.img`;
  bytes = randomBytes(SIZE);
  return () => origin[Symbol.asyncDispose]();
});

/** Serves `bytes` with these faults, registers them, and answers the path inside. */
function image(record: "sha256" | "nothing", ...behaviours: Behaviour[]): Promise<string> {
  origin.serve(path, bytes, ...behaviours);
  const url = origin.url(path);
  return cistern.image(record === "sha256" ? { url, sha256: digestOf(bytes) } : { url });
}

async function kept(): Promise<string[]> {
  const files = await readdir(join(cistern.dataDir, "store"), { recursive: true, withFileTypes: true });
  return files.filter((file) => file.isFile()).map((file) => join(file.parentPath, file.name));
}

async function isKept(content: Buffer): Promise<boolean> {
  const sha256 = digestOf(content);
  return (await kept()).some((file) => file.includes(sha256));
}

const codeOf = (body: Buffer): string => JSON.parse(body.toString()).error.code;

describe("a faultless origin", () => {
  test("is asked once: the first read is a fill, the second a hit, each complete and right", async () => {
    const blob = await image("sha256");
    const first = await cistern.ask("GET", blob);
    const second = await cistern.ask("GET", blob);
    expect([first.status, first.complete, first.headers["cache-status"]]).toEqual([
      200,
      true,
      "Cistern; fwd=miss; detail=fill",
    ]);
    expect([second.status, second.complete, second.headers["cache-status"]]).toEqual([200, true, "Cistern; hit"]);
    expect(first.body.equals(bytes) && second.body.equals(bytes)).toBe(true);
    expect(first.headers["content-length"]).toBe(String(SIZE));
    expect(first.headers.etag).toBe(`"${digestOf(bytes)}"`);
    expect(origin.bytesSent(path)).toBe(SIZE);
  });

  test("without a recorded digest, the first fetch records it and it stands from then on", async () => {
    const blob = await image("nothing");
    const first = await cistern.ask("GET", blob);
    expect(first.headers.etag).toBeUndefined();
    const second = await cistern.ask("GET", blob);
    expect(second.headers.etag).toBe(`"${digestOf(bytes)}"`);
    expect(second.headers["content-md5"]).toBe(digestOf(bytes, "md5"));
    expect(second.body.equals(bytes)).toBe(true);
    const sum = await cistern.ask("GET", `${blob}?checksum=sha256`);
    expect(sum.body.toString()).toMatch(new RegExp(`^${digestOf(bytes)}  \\S+\\n$`));
  });
});

describe("a stream that breaks", () => {
  test.each([0.1, 0.5, 0.9])(
    "reset at %f of the bytes: the client notices nothing, and few bytes come twice",
    async (part) => {
      const at = Math.floor(SIZE * part);
      const blob = await image("sha256", { resetAt: at }, {});
      const answer = await cistern.ask("GET", blob);
      expect([answer.status, answer.complete, answer.body.equals(bytes)]).toEqual([200, true, true]);
      const [, resumed] = origin.requests(path);
      expect(resumed?.headers["if-range"]).toBeDefined();
      expect(resumed?.status).toBe(206);
      expect(origin.bytesSent(path)).toBeLessThanOrEqual(SIZE + IN_FLIGHT);
    },
  );

  test("closed (FIN) half way: resumed like a reset", async () => {
    const blob = await image("sha256", { closeAt: SIZE / 2 }, {});
    const answer = await cistern.ask("GET", blob);
    expect([answer.status, answer.complete, answer.body.equals(bytes)]).toEqual([200, true, true]);
    expect(origin.bytesSent(path)).toBe(SIZE);
  });

  test("a stall is given up after the time-out and resumed", async () => {
    const blob = await image("sha256", { stallAt: SIZE / 2 }, {});
    const answer = await cistern.ask("GET", blob);
    expect([answer.complete, answer.body.equals(bytes)]).toEqual([true, true]);
    expect(origin.bytesSent(path)).toBe(SIZE);
  });

  test("an origin that ignores Range is read from the start again, and the prefix compared", async () => {
    const blob = await image("sha256", { closeAt: SIZE / 2 }, { ranges: false });
    const answer = await cistern.ask("GET", blob);
    expect([answer.complete, answer.body.equals(bytes)]).toEqual([true, true]);
    expect(origin.bytesSent(path)).toBe(SIZE + SIZE / 2);
  });

  test("an origin without a validator is read from the start again", async () => {
    const none = { etag: null, lastModified: null };
    const blob = await image("sha256", { closeAt: SIZE / 2, ...none }, none);
    const answer = await cistern.ask("GET", blob);
    expect([answer.complete, answer.body.equals(bytes)]).toEqual([true, true]);
    expect(origin.requests(path)[1]?.range).toBeUndefined();
  });

  test("I10: content that changed meanwhile is noticed: the client is reset, nothing is kept", async () => {
    const changed = randomBytes(SIZE);
    const blob = await image("sha256", { closeAt: SIZE / 2 }, { content: changed });
    const answer = await cistern.ask("GET", blob);
    expect([answer.complete, answer.broken]).toEqual([false, "ECONNRESET"]);
    expect(await isKept(changed)).toBe(false);
  });

  test("without a recorded digest, a changed origin starts a new fill with its new bytes", async () => {
    const changed = randomBytes(SIZE);
    const blob = await image("nothing", { closeAt: SIZE / 2 }, { content: changed });
    const first = await cistern.ask("GET", blob);
    expect(first.complete).toBe(false);
    const second = await cistern.ask("GET", blob);
    expect([second.status, second.complete, second.body.equals(changed)]).toEqual([200, true, true]);
  });

  test("an origin that breaks at the same byte for ever: the client is reset, the next one told to wait", async () => {
    const blob = await image("sha256", { closeAt: SIZE / 2 });
    const answer = await cistern.ask("GET", blob);
    expect(answer.complete).toBe(false);
    const next = await cistern.ask("GET", blob);
    expect(next.complete === false || next.status >= 500).toBe(true);
    expect(origin.bytesSent(path)).toBeLessThanOrEqual(SIZE + IN_FLIGHT);
    origin.behave(path, {});
  });
});

describe("an origin that refuses or fails", () => {
  test("404: 502 with the code and the origin's host, remembered", async () => {
    const blob = await image("sha256", { status: 404 });
    const answer = await cistern.ask("GET", blob);
    expect([answer.status, codeOf(answer.body)]).toEqual([502, "origin-refused"]);
    expect(answer.body.toString()).toContain(`127.0.0.1:${origin.port}`);
    const again = await cistern.ask("GET", blob);
    expect([again.status, codeOf(again.body)]).toEqual([502, "origin-refused"]);
    expect(origin.requests(path).length).toBe(1);
  });

  test("a 500 that passes is tried again within the fill", async () => {
    const blob = await image("sha256", { status: 500 }, {});
    const answer = await cistern.ask("GET", blob);
    expect([answer.status, answer.complete, answer.body.equals(bytes)]).toEqual([200, true, true]);
  });

  test("a 500 that stays: 502, then 503 with Retry-After and no further request", async () => {
    const blob = await image("sha256", { status: 500 });
    const first = await cistern.ask("GET", blob);
    expect([first.status, codeOf(first.body)]).toEqual([502, "origin-failed"]);
    const asked = origin.requests(path).length;
    const second = await cistern.ask("GET", blob);
    expect([second.status, codeOf(second.body)]).toEqual([503, "origin-backing-off"]);
    expect(Number(second.headers["retry-after"])).toBeGreaterThan(0);
    expect(origin.requests(path).length).toBe(asked);
  });

  test("429: Retry-After is obeyed and told", async () => {
    const blob = await image("sha256", { status: 429, retryAfter: 77 });
    await cistern.ask("GET", blob);
    const second = await cistern.ask("GET", blob);
    expect(second.status).toBe(503);
    expect(Number(second.headers["retry-after"])).toBeGreaterThan(70);
    expect(origin.requests(path).length).toBe(1);
  });

  test("nobody listens: 502 origin-unreachable", async () => {
    const blob = await image("sha256");
    await origin[Symbol.asyncDispose]();
    const answer = await cistern.ask("GET", blob);
    expect([answer.status, codeOf(answer.body)]).toEqual([502, "origin-unreachable"]);
  });

  test("no answer within the time-out: 504", async () => {
    const blob = await image("sha256", { holdHeaders: new Promise(() => undefined) });
    const answer = await cistern.ask("GET", blob);
    expect([answer.status, codeOf(answer.body)]).toEqual([504, "origin-timeout"]);
  });

  test("five redirects are followed, a sixth is not", async () => {
    const blob = await image("sha256");
    origin.redirectChain("/five", 5, path);
    origin.redirectChain("/six", 6, path);
    const sha256 = digestOf(bytes);
    const five = await cistern.image({ url: origin.url("/five"), sha256 });
    const answer = await cistern.ask("GET", five);
    expect([answer.status, answer.body.equals(bytes)]).toEqual([200, true]);
    const other = randomBytes(100);
    origin.serve(path, other);
    const six = await cistern.image({ url: origin.url("/six"), sha256: digestOf(other) });
    expect((await cistern.ask("GET", six)).status).toBe(502);
    expect(blob).toBeDefined();
  });
});

describe("bytes that are wrong (I1, I2, I10)", () => {
  test("one flipped bit: the client is reset before the last chunk, nothing is kept, the next gets 502", async () => {
    const blob = await image("sha256", { flipBitAt: 1_000 });
    const answer = await cistern.ask("GET", blob);
    expect([answer.complete, answer.broken]).toEqual([false, "ECONNRESET"]);
    expect(answer.body.length).toBeLessThanOrEqual(SIZE - 64 * 1024);
    const next = await cistern.ask("GET", blob);
    expect([next.status, codeOf(next.body)]).toEqual([502, "digest-mismatch"]);
    expect(origin.requests(path).length).toBe(1);
    expect(await isKept(bytes)).toBe(false);
  });

  test("a small blob with a flipped bit is a plain 502", async () => {
    bytes = randomBytes(1_000);
    const blob = await image("sha256", { flipBitAt: 10 });
    const answer = await cistern.ask("GET", blob);
    expect([answer.status, codeOf(answer.body)]).toEqual([502, "digest-mismatch"]);
  });

  test("a caller that was given wrong bytes cannot complete them with a range of a later, right fill", async () => {
    const wrong = Buffer.from(bytes);
    wrong[5] = (wrong[5] ?? 0) ^ 1;
    const { promise, resolve } = Promise.withResolvers<void>();
    origin.serve(path, wrong, { hold: { at: SIZE - 1, until: promise } });
    origin.serve("/right", bytes);
    const sha256 = digestOf(bytes);
    const blob = await cistern.image(
      { url: origin.url(path), sha256 },
      { other: { url: origin.url("/right"), sha256 } },
    );
    let got = 0;
    const first = await cistern.ask("GET", blob, {
      onData: (_chunk, soFar) => {
        got = soFar;
        if (soFar > SIZE / 2) resolve();
        return true;
      },
    });
    expect([first.complete, got > 0]).toEqual([false, true]);
    // Somebody else brings the right bytes in from the mirror.
    const token = await cistern.token("admin", ["admin"]);
    const other = await cistern.ask("GET", blob, { token });
    expect([other.status, other.body.equals(bytes)]).toEqual([200, true]);
    const resumed = await cistern.ask("GET", blob, { headers: { Range: `bytes=${got}-` } });
    expect([resumed.status, codeOf(resumed.body)]).toEqual([502, "digest-mismatch"]);
    const anew = await cistern.ask("GET", blob);
    expect([anew.status, anew.body.equals(bytes)]).toEqual([200, true]);
    const tail = await cistern.ask("GET", blob, { headers: { Range: "bytes=100-" } });
    expect(tail.status).toBe(206);
  });

  test("I1: a client that resumes the moment it is cut gets no tail of another fill, and no 416 either", async () => {
    const longer = randomBytes(SIZE + 100_000);
    for (const resume of [(got: number) => got, () => SIZE + 1]) {
      sequence += 1;
      bytes = randomBytes(SIZE);
      const sha256 = digestOf(bytes);
      const name = `/cut-${sequence}`;
      const { promise, resolve } = Promise.withResolvers<void>();
      origin.serve(name, longer, { hold: { at: SIZE, until: promise } }, { content: bytes });
      origin.serve(`${name}-right`, bytes);
      const mirrors = { m: { url: origin.url(`${name}-right`), sha256 } };
      const blob = await cistern.image({ url: origin.url(name), sha256 }, mirrors);
      let got = 0;
      const onData = (_chunk: Buffer, soFar: number) => {
        got = soFar;
        if (soFar > SIZE / 2) resolve();
        return true;
      };
      expect((await cistern.ask("GET", blob, { onData })).complete).toBe(false);
      const Range = `bytes=${resume(got)}-`;
      // Again and again: before, while and after the next fill brings the right bytes in.
      for (let attempt = 0; attempt < 5; attempt += 1) {
        expect((await cistern.ask("GET", blob, { headers: { Range } })).status).toBe(502);
      }
    }
  });

  test("I1: a corrected location does not complete the files of the wrong one, nor does a probe of byte 0", async () => {
    const sha256 = digestOf(bytes);
    const wrong = randomBytes(SIZE);
    const { promise, resolve } = Promise.withResolvers<void>();
    origin.serve(path, wrong, { hold: { at: SIZE - 1, until: promise } });
    origin.serve("/corrected", bytes);
    const blob = await cistern.image({ url: origin.url(path), sha256 });
    const first = await cistern.ask("GET", blob, {
      onData: (_chunk, soFar) => {
        if (soFar > SIZE / 2) resolve();
        return true;
      },
    });
    expect(first.complete).toBe(false);
    const headers = { "Content-Type": "application/vnd+openstack.glare-custom-location+json" };
    expect((await cistern.ask("DELETE", blob)).status).toBe(200);
    const body = JSON.stringify({ url: origin.url("/corrected"), sha256 });
    expect((await cistern.ask("PUT", blob, { headers, body })).status).toBe(200);
    const range = (Range: string) => cistern.ask("GET", blob, { headers: { Range } });
    expect((await range("bytes=2000000-")).status).toBe(502);
    expect((await range("bytes=0-0")).status).toBe(206);
    expect((await range("bytes=2000000-")).status).toBe(502);
    expect((await cistern.ask("GET", blob)).body.equals(bytes)).toBe(true);
    expect((await range("bytes=2000000-")).status).toBe(206);
  });

  test("I1: no date validates bytes that may still come to be others", async () => {
    const blob = await image("nothing", { framing: "length" });
    const answer = await cistern.ask("GET", blob);
    expect([answer.headers.etag, answer.headers["last-modified"]]).toEqual([undefined, undefined]);
  });

  test("an origin that sends a little and breaks, again and again, is given up", async () => {
    const blob = await image("sha256", ...Array.from({ length: 40 }, (_, index) => ({ closeAt: (index + 1) * 1000 })));
    const answer = await cistern.ask("GET", blob);
    expect(answer.complete).toBe(false);
    expect(origin.requests(path).length).toBeLessThanOrEqual(4);
  });

  test("a recorded size that the origin contradicts fails before the body", async () => {
    origin.serve(path, bytes, { extendBy: 10 });
    const blob = await cistern.image({ url: origin.url(path), sha256: digestOf(bytes), size: SIZE });
    const answer = await cistern.ask("GET", blob);
    expect([answer.status, codeOf(answer.body)]).toEqual([502, "size-mismatch"]);
  });

  test.each([
    ["truncated", { truncateTo: SIZE - 1 }],
    ["extended", { extendBy: 1 }],
  ])("a body that is %s is never complete", async (_name, behaviour) => {
    const blob = await image("sha256", behaviour);
    const answer = await cistern.ask("GET", blob);
    expect(answer.complete).toBe(false);
    expect(await isKept(bytes)).toBe(false);
  });

  test("a Content-Length that promises more than comes is never complete", async () => {
    const blob = await image("sha256", { contentLength: SIZE + 5 });
    const answer = await cistern.ask("GET", blob);
    expect(answer.complete).toBe(false);
  });

  test("a Content-Length that promises less cannot complete either", async () => {
    const blob = await image("sha256", { contentLength: SIZE - 5 });
    expect((await cistern.ask("GET", blob)).complete).toBe(false);
  });

  test("md5, sha1 and sha512 are checked as sha256 is", async () => {
    for (const algorithm of ["md5", "sha1", "sha512"] as const) {
      const name = `/${algorithm}-${sequence}`;
      origin.serve(name, bytes);
      const good = await cistern.image({ url: origin.url(name), [algorithm]: digestOf(bytes, algorithm) });
      expect((await cistern.ask("GET", good)).body.equals(bytes)).toBe(true);
      origin.serve(`${name}-bad`, bytes, { flipBitAt: SIZE - 1 });
      const bad = await cistern.image({ url: origin.url(`${name}-bad`), [algorithm]: digestOf(bytes, algorithm) });
      expect((await cistern.ask("GET", bad)).complete).toBe(false);
    }
  });
});

describe("bodies of unusual framing", () => {
  test("no length: chunked to the client, complete, and the end comes after the verdict", async () => {
    const blob = await image("sha256", { framing: "chunked" });
    const answer = await cistern.ask("GET", blob);
    expect(answer.headers["transfer-encoding"]).toBe("chunked");
    expect([answer.complete, answer.body.equals(bytes)]).toEqual([true, true]);
  });

  test("no length and wrong bytes: the chunked body has no end", async () => {
    const blob = await image("sha256", { framing: "chunked", flipBitAt: 5 });
    const answer = await cistern.ask("GET", blob);
    expect(answer.complete).toBe(false);
  });

  test("delimited by the end of the connection: taken with a digest, refused without", async () => {
    const blob = await image("sha256", { framing: "close" });
    expect((await cistern.ask("GET", blob)).body.equals(bytes)).toBe(true);
    bytes = randomBytes(SIZE);
    path = `${path}-2`;
    const bare = await image("nothing", { framing: "close" });
    const refused = await cistern.ask("GET", bare);
    expect([refused.status, codeOf(refused.body)]).toEqual([502, "origin-unframed"]);
  });

  test("labelled gzip: taken undecoded with a digest, refused without", async () => {
    const blob = await image("sha256", { encoding: "label" });
    const answer = await cistern.ask("GET", blob);
    expect([answer.headers["content-encoding"], answer.body.equals(bytes)]).toEqual([undefined, true]);
    expect(origin.requests(path)[0]?.headers["accept-encoding"]).toBe("identity");
    bytes = randomBytes(SIZE);
    path = `${path}-2`;
    const bare = await image("nothing", { encoding: "label" });
    const refused = await cistern.ask("GET", bare);
    expect([refused.status, codeOf(refused.body)]).toEqual([502, "origin-encoded"]);
  });

  test("a range on content of unknown size is ignored; an empty blob is complete", async () => {
    const blob = await image("sha256", { framing: "chunked" });
    const answer = await cistern.ask("GET", blob, { headers: { Range: "bytes=5-9" } });
    expect([answer.status, answer.body.length]).toEqual([200, SIZE]);
    bytes = Buffer.alloc(0);
    path = `${path}-empty`;
    const empty = await image("sha256");
    for (const status of [200, 200]) {
      const got = await cistern.ask("GET", empty);
      expect([got.status, got.complete, got.body.length]).toEqual([status, true, 0]);
    }
  });
});

describe("mirrors", () => {
  test.each([
    ["is not there", { status: 404 }],
    ["fails", { status: 503 }],
    ["breaks half way for ever", { closeAt: SIZE / 2, ranges: false }],
    ["announces another length", { extendBy: 3 }],
  ] satisfies [string, Behaviour][])(
    "when the first source %s, the mirror brings the bytes and the client notices nothing",
    async (_name, behaviour) => {
      await using mirror = await startFaultOrigin();
      mirror.serve("/mirror", bytes);
      origin.serve(path, bytes, behaviour);
      const sha256 = digestOf(bytes);
      const location = { url: origin.url(path), sha256, size: SIZE };
      const blob = await cistern.image(location, { m: { url: mirror.url("/mirror"), sha256 } });
      const answer = await cistern.ask("GET", blob);
      expect([answer.status, answer.complete, answer.body.equals(bytes)]).toEqual([200, true, true]);
      expect(mirror.bytesSent()).toBe(SIZE);
    },
  );
});
