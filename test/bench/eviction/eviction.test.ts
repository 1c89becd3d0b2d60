import { describe, expect, test } from "vitest";
import { measure } from "./figures.ts";
import { offlineBound } from "./optimum.ts";
import { POLICIES } from "./policies.ts";
import { simulate } from "./simulate.ts";
import { LAST_READ_DECIDES, type Trace } from "./traces.ts";

// Seeds that nothing was chosen by: the figures in the README, and the limits of the rule, are of 1 to 3.
const figures = measure(["cistern", "lru"], [11, 12, 13], { contents: 2_000, requests: 60_000 });
/** Percent points that three seeds cannot tell apart. */
const NOISE = 0.1;

describe("the default rule of eviction", () => {
  test.each(figures.filter(({ trace }) => trace !== LAST_READ_DECIDES))(
    "saves no fewer bytes than LRU on $trace, in a cache of $size of everything",
    ({ ratios }) => {
      const ahead = 100 * (of(ratios.get("cistern")) - of(ratios.get("lru")));
      expect(ahead).toBeGreaterThanOrEqual(-NOISE);
    },
  );

  test("saves more than LRU on the whole, and much more where somebody scans", () => {
    const ahead = (some: readonly (typeof figures)[number][]) =>
      some.reduce((sum, { ratios }) => sum + 100 * (of(ratios.get("cistern")) - of(ratios.get("lru"))), 0) /
      some.length;
    expect(ahead(figures)).toBeGreaterThan(1);
    expect(ahead(figures.filter(({ trace }) => trace === "scans"))).toBeGreaterThan(1);
  });

  test("loses less than a point to LRU where nothing but the last read tells what comes", () => {
    for (const { ratios } of figures.filter(({ trace }) => trace === LAST_READ_DECIDES)) {
      expect(of(ratios.get("cistern"))).toBeGreaterThan(of(ratios.get("lru")) - 0.01);
    }
  });
});

describe("the simulation", () => {
  const trace = (requests: readonly number[], sizes = [1, 1, 1]): Trace => ({ name: "by hand", sizes, requests });

  test("of LRU evicts what was read least recently", () => {
    expect(simulate(trace([0, 1, 0, 2, 0, 1]), 2, POLICIES.lru)).toEqual({ bytes: 2 / 6, requests: 2 / 6 });
  });

  test("of LFU evicts what was read least often", () => {
    expect(simulate(trace([0, 0, 1, 2, 1, 0]), 2, POLICIES.lfu).requests).toBeCloseTo(2 / 6);
  });

  test("passes through what is larger than the cache", () => {
    expect(simulate(trace([0, 1, 0, 1], [1, 5]), 2, POLICIES.cistern)).toEqual({ bytes: 1 / 12, requests: 1 / 4 });
  });

  test("never passes the bound, whatever the policy", () => {
    for (const { ratios, bound } of measure(["cistern", "lru", "lfu", "gdsf"], [14], {
      contents: 200,
      requests: 4_000,
    })) {
      const most = bound();
      for (const { bytes } of ratios.values()) expect(bytes).toBeLessThanOrEqual(most);
    }
  });

  test("of the bound keeps what is used next, in part if need be, and passes the rest by", () => {
    expect(offlineBound(trace([0, 1, 2, 0, 1, 2]), 2)).toBeCloseTo(2 / 6);
    expect(offlineBound(trace([0, 1, 0, 1], [4, 4]), 6)).toBeCloseTo(6 / 16);
  });
});

function of(ratio: { readonly bytes: number } | undefined): number {
  if (ratio === undefined) throw new Error("this policy was not measured");
  return ratio.bytes;
}
