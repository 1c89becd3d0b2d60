import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { TURNS_THAT_COUNT, type Worth, worthAfterRead, worthOfNew } from "../../src/domain/eviction.ts";

/** How far the inflation moves before each of the reads. */
const moves = fc.array(fc.nat({ max: 5 }), { maxLength: 30 });
const inflations = fc.nat({ max: 1e9 });

/** Fetched at this inflation, then read after each of these moves; answers what it is worth and the inflation. */
function readAfter(steps: readonly number[], start: number): { worth: Worth; inflation: number } {
  let inflation = start;
  let worth = worthOfNew(start);
  for (const step of steps) {
    inflation += step;
    worth = worthAfterRead(worth, inflation);
  }
  return { worth, inflation };
}

describe("the worth of content", () => {
  test("never falls by a read, and grows by one in a new turn", () => {
    fc.assert(
      fc.property(moves, inflations, fc.nat({ max: 5 }), (steps, start, move) => {
        const { worth, inflation } = readAfter(steps, start);
        const again = worthAfterRead(worth, inflation + move);
        expect(again.value).toBeGreaterThanOrEqual(worth.value);
        if (move > 0) expect(again.value).toBeGreaterThan(worth.value);
      }),
    );
  });

  test("is the same after one read and after a thousand in one turn: a storm is one event", () => {
    fc.assert(
      fc.property(moves, inflations, (steps, start) => {
        const { worth, inflation } = readAfter(steps, start);
        const once = worthAfterRead(worth, inflation + 1);
        expect(readAfter([...steps, 1, ...Array(1_000).fill(0)], start).worth).toEqual(once);
      }),
      { numRuns: 20 },
    );
  });

  test("is greater for what was read in more turns than for what was read in fewer, up to the limit", () => {
    for (let turns = 1; turns < TURNS_THAT_COUNT; turns += 1) {
      const fewer = readAfter(Array(turns - 1).fill(1), 10 - turns);
      const more = readAfter(Array(turns).fill(1), 9 - turns);
      expect(fewer.inflation).toBe(more.inflation);
      expect(more.worth.value).toBeGreaterThan(fewer.worth.value);
    }
  });

  test("ages: however often it was read, it is ahead of something new by a bounded way, and a moved inflation passes it", () => {
    fc.assert(
      fc.property(moves, inflations, (steps, start) => {
        const { worth, inflation } = readAfter(steps, start);
        expect(worth.turns).toBeLessThanOrEqual(TURNS_THAT_COUNT);
        expect(worth.value).toBeLessThan(worthOfNew(inflation + TURNS_THAT_COUNT).value);
        expect(worth.value).toBeGreaterThan(inflation);
      }),
    );
  });

  test("tells of itself whether the inflation moved since the last read: SQL needs no third column", () => {
    fc.assert(
      fc.property(moves, inflations, (steps, start) => {
        const { worth, inflation } = readAfter(steps, start);
        expect(inflation + worth.turns > worth.value).toBe(false);
        expect(inflation + 1 + worth.turns > worth.value).toBe(true);
      }),
    );
  });
});
