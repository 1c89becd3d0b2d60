import type { Clock } from "../domain/clock.ts";

/** Three heartbeats: a longer silence is an outage. */
const SILENCE_MS = 15_000;
/** After an outage every replica has told of itself again within this time. */
const SETTLE_MS = 15_000;

/** The database's time as far as this process knows it: replicas' own clocks may differ. */
export class DatabaseClock {
  readonly #clock: Clock;
  #known: { readonly time: number; readonly at: number } | undefined;
  /** Since when it has been told again and again. */
  #since = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** The database has said what time it is, in milliseconds since the epoch. */
  told(time: number): void {
    const at = this.#clock.monotonic();
    if (this.#known === undefined || at - this.#known.at > SILENCE_MS) this.#since = at;
    this.#known = { time, at };
  }

  /**
   * Whether a replica that the database has not heard of for long is dead: after an outage of the database
   * all of them seem to be.
   */
  get tellsOfDead(): boolean {
    const now = this.#clock.monotonic();
    return this.#known !== undefined && now - this.#known.at <= SILENCE_MS && now - this.#since >= SETTLE_MS;
  }

  /** Milliseconds since the epoch; this machine's own while the database has not been asked. */
  now(): number {
    if (this.#known === undefined) return this.#clock.now().getTime();
    return this.#known.time + this.#clock.monotonic() - this.#known.at;
  }
}
