import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../domain/clock.ts";

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  sleep: (milliseconds, signal) => sleep(milliseconds, undefined, { signal, ref: false }),
  random: () => Math.random(),
};
