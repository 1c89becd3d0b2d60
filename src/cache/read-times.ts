import type { Clock } from "../domain/clock.ts";
import type { ContentLedger, Reads } from "../domain/content-catalog.ts";
import type { Sha256 } from "../domain/digest.ts";

/** Contents that are written at once, about 50 ms of an embedded catalog of 100,000: nobody else asks it meanwhile. */
const BATCH = 200;

/** Collects which contents were read, so that a hot hit costs no query; written in bulk by a job. */
export class ReadTimes {
  #reads = new Map<Sha256, { at: Date; count: number }>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  note(sha256: Sha256): void {
    const known = this.#reads.get(sha256);
    if (known === undefined) {
      this.#reads.set(sha256, { at: this.#clock.now(), count: 1 });
      return;
    }
    known.at = this.#clock.now();
    known.count += 1;
  }

  /** Writes what was collected; what cannot be written is kept for the next time. */
  async flush(ledger: Pick<ContentLedger, "touch">): Promise<void> {
    const reads = [...this.#reads];
    this.#reads = new Map();
    for (let at = 0; at < reads.length; at += BATCH) {
      try {
        await ledger.touch(new Map(reads.slice(at, at + BATCH)));
      } catch (error) {
        for (const [sha256, read] of reads.slice(at)) this.#add(sha256, read);
        throw error;
      }
    }
  }

  #add(sha256: Sha256, { at, count }: Reads): void {
    const newer = this.#reads.get(sha256);
    if (newer === undefined) this.#reads.set(sha256, { at, count });
    else newer.count += count;
  }
}
