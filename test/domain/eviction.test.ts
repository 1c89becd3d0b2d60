import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { contentValue, fetchCost, HITS_THAT_COUNT } from "../../src/domain/eviction.ts";

const sizes = fc.integer({ min: 0, max: 2 ** 45 });
const hits = fc.integer({ min: 1, max: 1e9 });
const inflations = fc.double({ min: 0, max: 1e9, noNaN: true });

describe("the value of content", () => {
  test("grows with its hits, and never falls by one", () => {
    fc.assert(
      fc.property(inflations, hits, hits, sizes, (inflation, some, more, size) => {
        const value = (count: number) => contentValue(inflation, count, fetchCost(size));
        expect(value(some + more)).toBeGreaterThanOrEqual(value(some));
        expect(value(2)).toBeGreaterThan(value(1));
      }),
    );
  });

  test("grows with what fetching it again costs per byte", () => {
    fc.assert(
      fc.property(inflations, hits, sizes, sizes, (inflation, count, a, b) => {
        const [small, large] = [Math.min(a, b), Math.max(a, b)];
        expect(fetchCost(small)).toBeGreaterThanOrEqual(fetchCost(large));
        expect(contentValue(inflation, count, fetchCost(small))).toBeGreaterThanOrEqual(
          contentValue(inflation, count, fetchCost(large)),
        );
      }),
    );
    expect(fetchCost(100e6)).toBeGreaterThan(fetchCost(1e9));
  });

  test("is a finite number above the inflation for every size, the empty one too", () => {
    fc.assert(
      fc.property(inflations, hits, sizes, (inflation, count, size) => {
        const value = contentValue(inflation, count, fetchCost(size));
        expect(Number.isFinite(value)).toBe(true);
        expect(value).toBeGreaterThan(inflation);
      }),
    );
  });

  test("ages: whatever was read how often so ever is passed by one read, once the inflation has come up to it", () => {
    fc.assert(
      fc.property(inflations, hits, sizes, sizes, (inflation, count, old, young) => {
        const before = contentValue(inflation, count, fetchCost(old));
        expect(contentValue(before, 1, fetchCost(young))).toBeGreaterThan(before);
      }),
    );
  });

  test("of a favourite is a bounded way ahead of what was read once, however often it was read", () => {
    fc.assert(
      fc.property(inflations, hits, sizes, (inflation, count, size) => {
        const ahead = contentValue(inflation, count, fetchCost(size)) - inflation;
        expect(ahead).toBeLessThanOrEqual(HITS_THAT_COUNT * fetchCost(0) * (1 + 1e-6) + inflation * 1e-9);
      }),
    );
  });
});
