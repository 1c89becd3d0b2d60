import { setTimeout as sleep } from "node:timers/promises";
import type { Clock } from "../domain/clock.ts";

/** The machine's own time. */
export const systemClock: Clock = {
  now: () => new Date(),
  monotonic: () => performance.now(),
  async sleep(milliseconds, signal) {
    try {
      await sleep(milliseconds, undefined, { signal, ref: false });
    } catch (error) {
      // Node rejects with an AbortError of its own; the port promises the reason.
      signal.throwIfAborted();
      throw error;
    }
  },
  random: () => Math.random(),
};
