import { expect, test } from "vitest";
import { systemClock } from "../../src/telemetry/system-clock.ts";

test("sleep lasts as long as it was told, by the clock that never goes back", async () => {
  const before = systemClock.monotonic();
  await systemClock.sleep(20, new AbortController().signal);
  expect(systemClock.monotonic() - before).toBeGreaterThanOrEqual(19);
});

test("sleep that is aborted rejects with the signal's own reason, also when it was aborted before", async () => {
  const reason = new Error("enough");
  const controller = new AbortController();
  const sleeping = systemClock.sleep(60_000, controller.signal);
  controller.abort(reason);
  await expect(sleeping).rejects.toBe(reason);
  await expect(systemClock.sleep(60_000, controller.signal)).rejects.toBe(reason);
});
