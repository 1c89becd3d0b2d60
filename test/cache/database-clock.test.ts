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
