import { expect, test } from "vitest";
import { Pace } from "../../../src/cache/care/pace.ts";

test("bytes pass at the rate, whoever asks, and a pause earns nothing", async () => {
  let now = 0;
  const slept: number[] = [];
  const clock = {
    monotonic: () => now,
    sleep: async (milliseconds: number) => {
      slept.push(milliseconds);
      now += milliseconds;
    },
  };
  let rate = 1000;
  const pace = new Pace(clock, () => rate);
  const signal = new AbortController().signal;
  await pace.spend(500, signal);
  await pace.spend(500, signal);
  expect([slept, now]).toEqual([[500, 500], 1000]);
  now += 60_000;
  await pace.spend(1000, signal);
  expect(slept.at(-1)).toBe(1000);
  rate = 10_000;
  await pace.spend(1000, signal);
  expect(slept.at(-1)).toBe(100);
  await pace.spend(1, signal);
  expect(slept.length).toBe(4);
});
