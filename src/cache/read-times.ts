import type { Clock } from "../domain/clock.ts";
import type { ContentLedger } from "../domain/content-catalog.ts";
import type { Sha256 } from "../domain/digest.ts";

/** Collects when contents were read, so that a hot hit costs no query; written in bulk by a job. */
export class ReadTimes {
  #times = new Map<Sha256, Date>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(sha256: Sha256): void {
    this.#times.set(sha256, this.#clock.now());
  }

  /** Writes what was collected; what cannot be written is kept for the next time. */
  async flush(ledger: ContentLedger): Promise<void> {
    if (this.#times.size === 0) return;
    const times = this.#times;
    this.#times = new Map();
    try {
      await ledger.touch(times);
    } catch (error) {
      for (const [sha256, time] of times) if (!this.#times.has(sha256)) this.#times.set(sha256, time);
      throw error;
    }
  }
}
