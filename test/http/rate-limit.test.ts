import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RateLimit } from "../../src/http/rate-limit.ts";

describe("a rate limit", () => {
  test("never lets more through in any stretch of time than the burst and the rate allow", () => {
    const steps = fc.array(fc.tuple(fc.constantFrom("a", "b"), fc.integer({ min: 0, max: 400 })), { maxLength: 300 });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 50 }), fc.integer({ min: 1, max: 20 }), steps, (rate, burst, asked) => {
        let now = 1_000;
        const limit = new RateLimit(rate, burst, () => now);
        const taken = new Map<string, number[]>();
        for (const [key, pause] of asked) {
          now += pause;
          const bucket = limit.bucket(key);
          if (bucket === undefined || limit.wait(bucket) > 0) continue;
          limit.spend(bucket);
          taken.set(key, [...(taken.get(key) ?? []), now]);
        }
        const excess = [...taken.values()].flatMap((times) =>
          times.flatMap((start, from) =>
            times.slice(from).map((end, more) => more + 1 - burst - ((end - start) / 1000) * rate),
          ),
        );
        expect(Math.max(0, ...excess)).toBeLessThan(1e-6);
      }),
    );
  });

  test("lets in who waits as long as it was told", () => {
    let now = 5;
    const limit = new RateLimit(2, 3, () => now);
    const bucket = limit.bucket("a") ?? { evenAt: Number.NaN };
    for (let n = 0; n < 3; n += 1) {
      expect(limit.wait(bucket)).toBe(0);
      limit.spend(bucket);
    }
    const wait = limit.wait(bucket);
    expect(wait).toBeCloseTo(0.5);
    now += wait * 1000 + 0.001;
    expect(limit.wait(bucket)).toBe(0);
  });

  test("holds a bounded debt against who goes on", () => {
    let now = 0;
    const limit = new RateLimit(1, 10, () => now, 60);
    const bucket = limit.bucket("a") ?? { evenAt: Number.NaN };
    for (let n = 0; n < 100_000; n += 1) limit.spend(bucket);
    expect(limit.wait(bucket)).toBeGreaterThan(59);
    expect(limit.wait(bucket)).toBeLessThan(62);
    now += 62_000;
    expect(limit.wait(bucket)).toBe(0);
  });

  test("remembers a bounded number of callers", () => {
    const limit = new RateLimit(1, 1, () => 0);
    const before = process.memoryUsage().heapUsed;
    for (let n = 0; n < 300_000; n += 1) limit.bucket(`caller ${n}`);
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(64 * 2 ** 20);
  });

  test("of no limit keeps nothing", () => {
    expect(new RateLimit(Number.POSITIVE_INFINITY, Number.POSITIVE_INFINITY, () => 0).bucket("a")).toBeUndefined();
  });
});
