import type { Clock } from "../domain/clock.ts";
import type { Events } from "../domain/events.ts";
import type { Job } from "./schedule.ts";

/** A job that need not wait for its turn when there is something to do. */
export class Wakeable {
  readonly #job: Job;
  readonly #ports: { readonly clock: Clock; readonly events: Events };
  #wake = new AbortController();

  constructor(job: Job, ports: { readonly clock: Clock; readonly events: Events }) {
    this.#job = job;
    this.#ports = ports;
  }

  /** Its next turn is now; while one runs, right after it. */
  wake(): void {
    this.#wake.abort();
  }

  /** Runs turn after turn until the signal is aborted. One that fails is reported. */
  async run(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.#rest(signal);
      if (signal.aborted) return;
      this.#wake = new AbortController();
      try {
        await this.#job.run(signal);
      } catch (cause) {
        if (!signal.aborted) this.#ports.events.emit({ kind: "job-failed", job: this.#job.name, cause });
      }
    }
  }

  async #rest(signal: AbortSignal): Promise<void> {
    try {
      await this.#ports.clock.sleep(this.#job.everyMs, AbortSignal.any([signal, this.#wake.signal]));
    } catch {
      // Woken, or the end: there is no other reason.
    }
  }
}
