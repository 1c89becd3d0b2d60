import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { HttpSource } from "../../src/origin/http-source.ts";
import { type Behaviour, bytesAt, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { openSource, take } from "./open-source.ts";

const CONTENT = { size: 3 * 2 ** 20 + 7, seed: "faulty" };
const WHOLE = bytesAt(CONTENT, 0, CONTENT.size);
const ALL = CONTENT.size;
const N = 2 ** 20 + 11;
const ETAG = { kind: "etag", value: '"v1"' } as const;

let origin: FaultOrigin;
let source: HttpSource;
beforeAll(async () => {
  origin = await startFaultOrigin();
  source = openSource();
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

describe("a resume from an origin that", () => {
  test.each<[string, Behaviour, { end: string; offset: number | undefined; got: number; requests: number }]>([
    ["honours it", { etag: '"v1"' }, { end: "complete", offset: N, got: ALL - N, requests: 1 }],
    [
      "honours it chunked",
      { etag: '"v1"', framing: "chunked" },
      { end: "complete", offset: N, got: ALL - N, requests: 1 },
    ],
    [
      "has no validator any more",
      { etag: null, lastModified: null },
      { end: "complete", offset: 0, got: ALL, requests: 1 },
    ],
    ["ignores ranges", { etag: '"v1"', ranges: false }, { end: "complete", offset: 0, got: ALL, requests: 1 }],
    ["has changed its entity tag", { etag: '"v2"' }, { end: "complete", offset: 0, got: ALL, requests: 1 }],
    ["has only a weak tag by now", { etag: 'W/"v1"' }, { end: "complete", offset: 0, got: ALL, requests: 1 }],
    [
      "says another range",
      { etag: '"v1"', contentRange: `bytes 0-${ALL - 1}/${ALL}` },
      { end: "origin-broken", offset: undefined, got: 0, requests: 1 },
    ],
    [
      "says a range that is none",
      { etag: '"v1"', contentRange: "bytes 9-3/4" },
      { end: "origin-broken", offset: undefined, got: 0, requests: 1 },
    ],
    [
      "does not say the whole's length",
      { etag: '"v1"', contentRange: `bytes ${N}-${ALL - 1}/*` },
      { end: "origin-broken", offset: undefined, got: 0, requests: 1 },
    ],
    [
      "contradicts itself on the length",
      { etag: '"v1"', contentLength: 3 },
      { end: "origin-broken", offset: undefined, got: 0, requests: 1 },
    ],
    [
      "is shorter by now",
      { etag: '"v1"', truncateTo: 100 },
      { end: "origin-refused", offset: undefined, got: 0, requests: 1 },
    ],
    [
      "breaks again, further on",
      { etag: '"v1"', closeAt: 2 * N },
      { end: "origin-broken", offset: N, got: N, requests: 1 },
    ],
  ])("%s", async (_, behaviour, expected) => {
    const path = serve(behaviour);
    const outcome = await take(source, origin.url(path), { offset: N, validator: ETAG });
    expect(outcome.end).toBe(expected.end);
    expect(outcome.answer?.offset).toBe(expected.offset);
    expect(outcome.bytes.length).toBe(expected.got);
    const from = expected.offset ?? 0;
    expect(outcome.bytes.equals(WHOLE.subarray(from, from + expected.got))).toBe(true);
    expect(origin.requests(path)).toHaveLength(expected.requests);
    expect(origin.requests(path)[0]).toMatchObject({ range: `bytes=${N}-`, headers: { "if-range": '"v1"' } });
  });

  test("knows Range but not If-Range, and has changed: it is asked again from the start", async () => {
    const blind = { headers: { etag: '"v2"' }, etag: '"v1"' };
    const path = serve(blind, {});
    const outcome = await take(source, origin.url(path), { offset: N, validator: ETAG });
    expect(outcome).toMatchObject({ end: "complete", answer: { offset: 0, status: 200 } });
    expect(outcome.bytes.equals(WHOLE)).toBe(true);
    expect(origin.requests(path).map(({ range }) => range)).toEqual([`bytes=${N}-`, undefined]);
  });

  test("sends a part of the range: its bytes come, and the end is no end", async () => {
    const path = serve({ etag: '"v1"', contentRange: `bytes ${N}-${N + 99}/${ALL}`, contentLength: 100 });
    const outcome = await take(source, origin.url(path), { offset: N, validator: ETAG });
    expect(outcome).toMatchObject({ end: "origin-broken", answer: { offset: N, total: ALL } });
    expect(outcome.bytes.equals(WHOLE.subarray(N, N + 100))).toBe(true);
  });

  test("knows only dates is held to the date", async () => {
    const lastModified = new Date("2026-01-01T00:00:00Z");
    const path = serve({ etag: null, lastModified });
    const validator = { kind: "last-modified", value: lastModified.toUTCString() } as const;
    const outcome = await take(source, origin.url(path), { offset: N, validator });
    expect(outcome).toMatchObject({ end: "complete", answer: { offset: N, validator } });
    expect(origin.requests(path)[0]?.headers["if-range"]).toBe("Thu, 01 Jan 2026 00:00:00 GMT");
  });
});
