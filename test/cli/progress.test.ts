import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RateMeter, renderProgress } from "../../src/cli/progress.ts";

const MIB = 2 ** 20;

describe("a line of progress", () => {
  test("shows the name, a bar, bytes, rate, time left and how the bytes come", () => {
    const state = { name: "debian.qcow2", bytes: 30 * MIB, total: 120 * MIB, rate: 10 * MIB, outcome: "fill" };
    const line = renderProgress(state, 100);
    expect(line).toMatch(/^debian\.qcow2 \[=+> +\] {2}25% 30 MiB\/120 MiB 10 MiB\/s 0:09 left fill$/);
  });

  test("shows no share and no time of what has no known size", () => {
    const line = renderProgress({ name: "x", bytes: 5, total: undefined, rate: 1, outcome: undefined }, 80);
    expect(line).toContain("--:-- left");
    expect(line).not.toContain("%");
  });

  test("is whole at the end, also of nothing", () => {
    expect(renderProgress({ name: "x", bytes: 0, total: 0, rate: 0, outcome: "hit" }, 80)).toContain("100%");
    expect(renderProgress({ name: "x", bytes: 9, total: 9, rate: 9, outcome: "hit" }, 80)).toMatch(/\[=+\] 100%.*0:00/);
  });

  test("fits the terminal, whatever its width and the numbers", () => {
    const numbers = fc.record({
      name: fc.string({ unit: "grapheme-ascii" }),
      bytes: fc.nat(),
      total: fc.option(fc.nat(), { nil: undefined }),
      rate: fc.double({ min: 0, max: 1e12, noNaN: true }),
      outcome: fc.constantFrom("hit", "follow", "fill", undefined),
    });
    fc.assert(
      fc.property(numbers, fc.integer({ min: 2, max: 300 }), (state, columns) => {
        expect(renderProgress(state, columns).length).toBeLessThan(columns);
      }),
    );
  });
});

describe("the rate", () => {
  test("is that of the last three seconds", () => {
    let now = 0;
    const meter = new RateMeter(() => now);
    meter.rate(0);
    for (let second = 1; second <= 10; second++) {
      now = second * 1000;
      meter.rate(second * 1000);
    }
    for (let second = 11; second <= 14; second++) {
      now = second * 1000;
      meter.rate(10_000 + (second - 10) * 50);
    }
    expect(meter.rate(10_200)).toBeCloseTo(50, 0);
  });

  test("of bytes that an earlier run left is not counted", () => {
    let now = 0;
    const meter = new RateMeter(() => now);
    meter.rate(1_000_000);
    now = 1000;
    expect(meter.rate(1_000_500)).toBe(500);
  });

  test("asks for a new line at most ten times a second", () => {
    let now = 0;
    const meter = new RateMeter(() => now);
    const due = Array.from({ length: 1000 }, () => {
      now += 1;
      return meter.due();
    });
    expect(due.filter(Boolean)).toHaveLength(10);
  });
});
