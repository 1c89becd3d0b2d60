import type { Clock } from "../domain/clock.ts";

/** The database's time as far as this process knows it: replicas' own clocks may differ. */
export class DatabaseClock {
  readonly #clock: Clock;
  #known: { readonly time: number; readonly at: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The database has said what time it is, in milliseconds since the epoch. */
  told(time: number): void {
    this.#known = { time, at: this.#clock.monotonic() };
  }

  /** Milliseconds since the epoch; this machine's own while the database has not been asked. */
  now(): number {
    if (this.#known === undefined) return this.#clock.now().getTime();
    return this.#known.time + this.#clock.monotonic() - this.#known.at;
  }
}
