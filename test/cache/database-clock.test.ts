import { expect, test } from "vitest";
import { DatabaseClock } from "../../src/cache/database-clock.ts";
import { ManualClock } from "../support/manual-clock.ts";

test("the database's time goes on from what it said last, whatever this machine's clock says", () => {
  const own = new ManualClock();
  const clock = new DatabaseClock(own);
  expect(clock.now()).toBe(own.now().getTime());
  clock.told(5_000_000);
  own.advance(250);
  expect(clock.now()).toBe(5_000_250);
  clock.told(4_000_000);
  expect(clock.now()).toBe(4_000_000);
});

test("who was not heard of is dead only when the database has answered for a while", () => {
  const own = new ManualClock();
  const clock = new DatabaseClock(own);
  const beat = (times: number) => {
    for (let n = 0; n < times; n += 1) {
      own.advance(5_000);
      clock.told(own.monotonic());
    }
  };
  expect(clock.tellsOfDead).toBe(false);
  beat(3);
  expect(clock.tellsOfDead).toBe(false);
  beat(1);
  expect(clock.tellsOfDead).toBe(true);
  own.advance(70_000);
  expect(clock.tellsOfDead).toBe(false);
  beat(1);
  expect(clock.tellsOfDead).toBe(false);
  beat(3);
  expect(clock.tellsOfDead).toBe(true);
});
