import type { Clock } from "../../domain/clock.ts";
import type { StoredObject } from "../../domain/content-store.ts";

/** Below this a wait costs more than it holds back. */
const SHORTEST_MS = 20;

/** Lets bytes pass at a limited rate, whoever asks for them. */
export class Pace {
  readonly #clock: Pick<Clock, "monotonic" | "sleep">;
  readonly #rate: () => number;
  #free = 0;

  /** @param rate bytes per second, asked anew each time */
  constructor(clock: Pick<Clock, "monotonic" | "sleep">, rate: () => number) {
    this.#clock = clock;
    this.#rate = rate;
  }

  /** Resolves when these bytes may pass. */
  async spend(bytes: number, signal: AbortSignal): Promise<void> {
    const now = this.#clock.monotonic();
    this.#free = Math.max(this.#free, now) + (bytes * 1000) / this.#rate();
    const wait = this.#free - now;
    if (wait >= SHORTEST_MS) await this.#clock.sleep(wait, signal);
  }

  /** The object, read at this pace. */
  slowly(object: StoredObject, signal: AbortSignal): StoredObject {
    return {
      size: object.size,
      read: async (into, offset) => {
        await this.spend(into.length, signal);
        return object.read(into, offset);
      },
      [Symbol.asyncDispose]: () => object[Symbol.asyncDispose](),
    };
  }
}
