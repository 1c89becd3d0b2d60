import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { gzipSync } from "node:zlib";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HttpSource } from "../../src/origin/http-source.ts";
import { ORIGIN_DEFAULTS } from "../../src/origin/options.ts";
import { type Behaviour, bytesAt, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { at, BEHALF, NEVER, openSource, take } from "./open-source.ts";

const CONTENT = { size: 3 * 2 ** 20 + 7, seed: "faulty" };
const WHOLE = bytesAt(CONTENT, 0, CONTENT.size);
const N = 2 ** 20 + 11;
const TIMEOUTS = { ...ORIGIN_DEFAULTS.timeouts, headersMs: 500, stallMs: 500 };

let origin: FaultOrigin;
let source: HttpSource;
beforeAll(async () => {
  origin = await startFaultOrigin();
  source = openSource({ timeouts: TIMEOUTS });
});
afterAll(async () => {
  await source[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

let paths = 0;
function serve(...behaviours: Behaviour[]): string {
  paths += 1;
  const path = `/${paths}`;
  origin.serve(path, CONTENT, ...behaviours);
  return path;
}

interface Expected {
  readonly end: string;
  /** Bytes that the caller got. */
  readonly got: number;
  /** Bytes of bodies that left the origin; a range when the client was quicker than the origin or the reverse. */
  readonly sent: number | readonly [number, number];
  readonly answer?: object;
}

const ALL = CONTENT.size;

describe("a whole content from an origin that", () => {
  test.each<[string, Behaviour, Expected]>([
    ["is well", {}, { end: "complete", got: ALL, sent: ALL, answer: { total: ALL, framed: true } }],
    ["is slow", { rate: 8 * 2 ** 20 }, { end: "complete", got: ALL, sent: ALL }],
    ["never sends a head", { holdHeaders: new Promise(() => {}) }, { end: "origin-timeout", got: 0, sent: 0 }],
    [
      "never sends a byte",
      { hold: { at: 0, until: new Promise(() => {}) } },
      { end: "origin-timeout", got: 0, sent: 0 },
    ],
    ["stalls at a byte", { stallAt: N }, { end: "origin-timeout", got: N, sent: N }],
    ["resets before the first byte", { resetAt: 0 }, { end: "origin-broken", got: 0, sent: 0 }],
    ["closes at a byte", { closeAt: N }, { end: "origin-broken", got: N, sent: N }],
    ["closes before the first byte", { closeAt: 0 }, { end: "origin-broken", got: 0, sent: 0 }],
    ["closes within chunks", { closeAt: N, framing: "chunked" }, { end: "origin-broken", got: N, sent: N }],
    // What framed: false is for: nothing tells this cut from an end.
    [
      "closes where the close is the end",
      { closeAt: N, framing: "close" },
      { end: "complete", got: N, sent: N, answer: { total: undefined, framed: false } },
    ],
    ["fails", { status: 500 }, { end: "origin-failed", got: 0, sent: [0, 30] }],
    ["is not there", { status: 404 }, { end: "origin-refused", got: 0, sent: [0, 30] }],
    ["wants a token", { status: 401 }, { end: "origin-refused", got: 0, sent: [0, 30] }],
    ["is Cistern, again", { status: 508 }, { end: "origin-loop", got: 0, sent: [0, 30] }],
    ["answers without content", { status: 204 }, { end: "origin-broken", got: 0, sent: [0, 30] }],
    ["answers what was not asked", { status: 304 }, { end: "origin-broken", got: 0, sent: [0, 30] }],
    ["has a shorter content", { truncateTo: N }, { end: "complete", got: N, sent: N, answer: { total: N } }],
    [
      "has a longer content",
      { extendBy: 9 },
      { end: "complete", got: ALL + 9, sent: ALL + 9, answer: { total: ALL + 9 } },
    ],
    ["has a flipped bit", { flipBitAt: N }, { end: "complete", got: ALL, sent: ALL }],
    ["announces more than it sends", { contentLength: ALL + 1 }, { end: "origin-broken", got: ALL, sent: ALL }],
    // The message ends where its length says (RFC 9112 §6.3); the rest belongs to no answer.
    [
      "announces less than it sends",
      { contentLength: N },
      { end: "complete", got: N, sent: [N, ALL], answer: { total: N } },
    ],
    [
      "does not say its length",
      { framing: "chunked" },
      { end: "complete", got: ALL, sent: ALL, answer: { total: undefined, framed: true } },
    ],
    [
      "ends by closing",
      { framing: "close" },
      { end: "complete", got: ALL, sent: ALL, answer: { total: undefined, framed: false } },
    ],
    ["labels a coding", { encoding: "label" }, { end: "complete", got: ALL, sent: ALL }],
    [
      "has a weak entity tag and a date",
      { etag: 'W/"w"' },
      { end: "complete", got: ALL, sent: ALL, answer: { validator: { kind: "last-modified" } } },
    ],
    [
      "has no validator",
      { etag: null, lastModified: null },
      { end: "complete", got: ALL, sent: ALL, answer: { validator: undefined } },
    ],
    [
      "was changed just now",
      { etag: null, lastModified: new Date() },
      { end: "complete", got: ALL, sent: ALL, answer: { validator: undefined } },
    ],
    [
      "sends a range unasked",
      { status: 206, headers: { "content-range": "bytes 0-3/9" } },
      { end: "origin-broken", got: 0, sent: [0, 30] },
    ],
    ["redirects in a circle", { redirect: "#same" }, { end: "origin-refused", got: 0, sent: [0, 30] }],
    ["redirects without a target", { status: 302 }, { end: "origin-refused", got: 0, sent: [0, 30] }],
    ["redirects to a file", { redirect: "file:///etc/passwd" }, { end: "origin-refused", got: 0, sent: [0, 30] }],
    [
      "sends a coding within the transfer",
      { framing: "close", headers: { "transfer-encoding": "gzip, chunked" } },
      { end: "origin-broken", got: 0, sent: [0, ALL] },
    ],
    ["sends two lengths", { headers: { "Content-Length": "5" } }, { end: "origin-broken", got: 0, sent: [0, ALL] }],
    [
      "sends a head without end",
      { headers: { "x-long": "x".repeat(70_000) } },
      { end: "origin-broken", got: 0, sent: [0, ALL] },
    ],
  ])("%s", async (_, behaviour, expected) => {
    const path = serve(behaviour);
    const outcome = await take(source, origin.url(path));
    expect(outcome.end).toBe(expected.end);
    expect(outcome.bytes.length).toBe(expected.got);
    if (expected.answer !== undefined) expect(outcome.answer).toMatchObject(expected.answer);
    const [least, most] = typeof expected.sent === "number" ? [expected.sent, expected.sent] : expected.sent;
    expect(origin.bytesSent(path)).toBeGreaterThanOrEqual(least);
    expect(origin.bytesSent(path)).toBeLessThanOrEqual(most);
    if (behaviour.flipBitAt === undefined && behaviour.extendBy === undefined) {
      expect(outcome.bytes.equals(WHOLE.subarray(0, outcome.bytes.length))).toBe(true);
    }
  });

  test("resets at a byte: what came before it is delivered, but for what a buffer held", async () => {
    const path = serve({ resetAt: N });
    const outcome = await take(source, origin.url(path));
    expect(outcome.end).toBe("origin-broken");
    expect(outcome.bytes.equals(WHOLE.subarray(0, outcome.bytes.length))).toBe(true);
    expect(outcome.bytes.length).toBeGreaterThan(N - 512 * 1024);
    expect(origin.bytesSent(path)).toBe(N);
  });

  test("compresses: taken as it is where a digest will judge it, refused where none does", async () => {
    const path = serve({ encoding: "gzip" });
    const taken = await take(source, origin.url(path));
    expect(taken.bytes.equals(gzipSync(WHOLE))).toBe(true);
    expect(origin.requests(path)[0]?.headers["accept-encoding"]).toBe("identity");
    const refused = await take(source, origin.url(path), { acceptEncoded: false });
    expect(refused).toMatchObject({ end: "origin-encoded", bytes: Buffer.alloc(0) });
  });

  test("wants to be asked later says when, an hour at most", async () => {
    const path = serve(
      { status: 503, retryAfter: 120 },
      { status: 429, retryAfter: "Thu, 01 Jan 2026 00:00:30 GMT", headers: { date: "Thu, 01 Jan 2026 00:00:00 GMT" } },
      { status: 503, retryAfter: 86_400 },
      { status: 503 },
    );
    const told = [];
    for (let asked = 0; asked < 4; asked++) told.push((await take(source, origin.url(path))).error);
    expect(told).toMatchObject([
      { code: "origin-failed", retryAfter: 120, originStatus: 503 },
      { code: "origin-failed", retryAfter: 30, originStatus: 429 },
      { code: "origin-failed", retryAfter: 3600 },
      { code: "origin-failed", retryAfter: undefined },
    ]);
  });

  test("trickles is ended, however long the whole would take", async () => {
    const minimumRate = { bytesPerSecond: 2 ** 20, overMs: 300 };
    await using strict = openSource({ timeouts: TIMEOUTS, minimumRate });
    const path = serve({ rate: 100 * 1024 });
    const outcome = await take(strict, origin.url(path));
    expect(outcome.end).toBe("origin-timeout");
    expect(outcome.bytes.length).toBeLessThan(200 * 1024);
    await expect.poll(() => origin.requests(path)[0]?.end).toBe("left");
  });

  test("sends bytes behind its answer does not get them into the next one", async () => {
    const reply = "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello";
    const poison = "HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\npoison";
    const server = createServer((socket) => {
      socket.on("error", () => socket.destroy());
      socket.on("data", () => socket.write(reply + poison));
    });
    const port = await new Promise<number>((resolve, reject) => {
      server.listen(0, "127.0.0.1", () => {
        const address = server.address();
        if (address === null || typeof address === "string") reject(new Error("not listening"));
        else resolve(address.port);
      });
    });
    await using own = openSource();
    for (let asked = 0; asked < 5; asked++) {
      const outcome = await take(own, `http://127.0.0.1:${port}/`);
      if (outcome.end === "complete") expect(outcome.bytes.toString()).toBe("hello");
      else expect(outcome.end).toBe("origin-broken");
    }
    server.close();
  });

  test("stalls after its reader had paused for longer than the stall time: the reader's pause is no stall", async () => {
    const large = { size: 64 * 2 ** 20, seed: "large" };
    const path = serve({ content: large, stallAt: 48 * 2 ** 20 });
    const request = {
      location: at(origin.url(path)),
      behalf: BEHALF,
      offset: 0,
      validator: undefined,
      acceptEncoded: true,
    };
    const { body } = await source.open(request, NEVER);
    let got = 0;
    const read = async () => {
      for await (const chunk of body) {
        if (got === 0) await sleep(2 * TIMEOUTS.stallMs + 500);
        got += chunk.length;
      }
    };
    await expect(read()).rejects.toMatchObject({ code: "origin-timeout" });
    expect(got).toBe(48 * 2 ** 20);
  });

  test("is opened and never read is left when the stall time is over", async () => {
    const path = serve({ content: { size: 64 * 2 ** 20, seed: "unread" } });
    await source.open(
      { location: at(origin.url(path)), behalf: BEHALF, offset: 0, validator: undefined, acceptEncoded: true },
      NEVER,
    );
    await expect.poll(() => origin.requests(path)[0]?.end, { timeout: 5_000 }).toBe("left");
  });
});
