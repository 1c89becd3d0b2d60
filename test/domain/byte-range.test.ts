import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseRange, resolveRange } from "../../src/domain/byte-range.ts";

describe("a Range header", () => {
  test.each([
    ["bytes=0-0", { kind: "from", first: 0, last: 0 }],
    ["bytes=5-", { kind: "from", first: 5, last: undefined }],
    ["bytes=-5", { kind: "suffix", length: 5 }],
    ["Bytes= 1-2 ", { kind: "from", first: 1, last: 2 }],
  ])("%j is one range", (header, range) => {
    expect(parseRange(header)).toEqual(range);
  });

  test.each([
    undefined,
    "",
    "bytes=",
    "bytes=-",
    "bytes=2-1",
    "bytes=0-1,3-4",
    "bytes=a-b",
    "bytes=1",
    "bytes=-1-2",
    "bytes=0x1-2",
    "items=0-1",
    "bytes =0-1",
    "bytes=1e3-",
    "bytes=99999999999999999-",
  ])("%j means the whole", (header) => {
    expect(parseRange(header)).toEqual({ kind: "whole" });
  });

  test("never selects bytes that are not there", () => {
    const header = fc.oneof(
      fc.string(),
      fc
        .tuple(fc.bigInt({ min: 0n, max: 2n ** 70n }), fc.bigInt({ min: 0n, max: 2n ** 70n }))
        .map(([a, b]) => `bytes=${a}-${b}`),
      fc.bigInt({ min: 0n, max: 2n ** 70n }).map((length) => `bytes=-${length}`),
      fc.bigInt({ min: 0n, max: 2n ** 70n }).map((first) => `bytes=${first}-`),
    );
    fc.assert(
      fc.property(header, fc.maxSafeNat(), (text, size) => {
        const range = resolveRange(parseRange(text), size);
        if (range === undefined) return;
        expect(range.start).toBeGreaterThanOrEqual(0);
        expect(range.end).toBeLessThanOrEqual(size);
        expect(range.start).toBeLessThanOrEqual(range.end);
      }),
    );
  });

  test("selects exactly the bytes that it names", () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.nat(1000), fc.integer({ min: 1, max: 1000 }), (first, more, size) => {
        const range = resolveRange(parseRange(`bytes=${first}-${first + more}`), size);
        if (first >= size) expect(range).toBeUndefined();
        else expect(range).toEqual({ start: first, end: Math.min(size, first + more + 1) });
      }),
    );
  });

  test("of the last bytes counts from the end, and from the start when there are fewer", () => {
    expect(resolveRange(parseRange("bytes=-3"), 10)).toEqual({ start: 7, end: 10 });
    expect(resolveRange(parseRange("bytes=-30"), 10)).toEqual({ start: 0, end: 10 });
    expect(resolveRange(parseRange("bytes=-0"), 10)).toBeUndefined();
    expect(resolveRange(parseRange("bytes=-1"), 0)).toBeUndefined();
  });
});
