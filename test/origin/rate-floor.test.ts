import { expect, test } from "vitest";
import { RateFloor } from "../../src/origin/rate-floor.ts";

const floor = () => new RateFloor({ bytesPerSecond: 1000, overMs: 10_000 });

test("a body below the floor is ended when the time is over, not before", () => {
  const rate = floor();
  for (let second = 1; second < 10; second++) rate.note(1000, 999);
  expect(() => rate.note(1000, 999)).toThrow(expect.objectContaining({ code: "origin-timeout" }));
});

test("a body at the floor goes on for ever", () => {
  const rate = floor();
  for (let second = 0; second < 1000; second++) rate.note(1000, 1000);
});

test("a burst in the past does not excuse a trickle now", () => {
  const rate = floor();
  rate.note(10_000, 2 ** 30);
  for (let second = 1; second < 10; second++) rate.note(1000, 1);
  expect(() => rate.note(1000, 1)).toThrow();
});

test("only the time that the reader waited counts, and all that it got", () => {
  const rate = floor();
  for (let chunk = 0; chunk < 1000; chunk++) {
    rate.note(0, 500);
    rate.note(100, 1);
  }
});
