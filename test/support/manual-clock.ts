import type { Clock } from "../../src/domain/clock.ts";

/** A clock that the test moves: nothing waits for real time. */
export class ManualClock implements Clock {
  #now = 1_000_000;
  jitter = 0.5;
  readonly #sleepers = new Set<{ until: number; wake: () => void }>();

  now(): Date {
    return new Date(Date.UTC(2026, 0, 1) + this.#now);
  }

  monotonic(): number {
    return this.#now;
  }

  random(): number {
    return this.jitter;
  }

  sleep(milliseconds: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const sleeper = { until: this.#now + milliseconds, wake: resolve };
      this.#sleepers.add(sleeper);
      signal.addEventListener("abort", () => {
        this.#sleepers.delete(sleeper);
        reject(signal.reason);
      });
    });
  }

  /** How many wait. */
  get sleeping(): number {
    return this.#sleepers.size;
  }

  advance(milliseconds: number): void {
    this.#now += milliseconds;
    for (const sleeper of this.#sleepers) {
      if (sleeper.until > this.#now) continue;
      this.#sleepers.delete(sleeper);
      sleeper.wake();
    }
  }
}
