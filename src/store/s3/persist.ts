import { setTimeout as delay } from "node:timers/promises";
import { mayPass, S3Timeout } from "./failure.ts";

const ATTEMPTS = 3;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2_000;

/**
 * Tries again, after pauses that grow, what fails for a reason that may pass: three times, and
 * beyond that as long as `forMs` have not gone by. Without `forMs` somebody waits for the answer: a
 * server that was silent is not asked again.
 */
export async function persist<T>(attempt: () => Promise<T>, forMs: number, signal: AbortSignal): Promise<T> {
  const end = performance.now() + forMs;
  let pause = FIRST_PAUSE_MS;
  for (let count = 1; ; count += 1) {
    signal.throwIfAborted();
    try {
      return await attempt();
    } catch (error) {
      signal.throwIfAborted();
      if (!mayPass(error) || (forMs === 0 && error instanceof S3Timeout)) throw error;
      // What was silent has taken its time already.
      const enough = count >= ATTEMPTS || error instanceof S3Timeout;
      if (enough && performance.now() >= end) throw error;
    }
    await pauseFor(pause * (0.5 + Math.random() / 2), signal);
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS);
  }
}

async function pauseFor(milliseconds: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(milliseconds, undefined, { signal });
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  }
}
