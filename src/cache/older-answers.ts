import type { Clock } from "../domain/clock.ts";
import { isCisternError } from "../domain/errors.ts";

/** How long somebody is kept waiting for the catalog who could have an older answer. */
const PATIENCE_MS = 500;
/** After the catalog has failed or was late, older answers serve at once for so long; its next answer ends that. */
const DOUBT_MS = 5_000;

/**
 * Decides when an older answer of the catalog serves: while the catalog is away, or hangs. A catalog
 * that hangs would else keep each reader as long as a query may take, longer than clients wait.
 */
export class OlderAnswers {
  readonly #clock: Clock;
  #doubtUntil = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * What was asked for, or `older`; the question goes on, for whoever asks next. `catalog-unavailable`
   * when there is neither.
   */
  async choose<T>(asked: Promise<T>, older: T | undefined): Promise<T> {
    const told = this.#orOlder(asked, older);
    if (older === undefined) return await told;
    // Not waited for, it may fail as it likes.
    told.catch(() => undefined);
    if (this.#clock.monotonic() < this.#doubtUntil) return older;
    const over = new AbortController();
    const late = this.#clock.sleep(PATIENCE_MS, over.signal).then(() => {
      this.#doubt();
      return older;
    });
    try {
      return await Promise.race([told, late]);
    } finally {
      over.abort();
      late.catch(() => undefined);
    }
  }

  async #orOlder<T>(asked: Promise<T>, older: T | undefined): Promise<T> {
    try {
      const answer = await asked;
      this.#doubtUntil = Number.NEGATIVE_INFINITY;
      return answer;
    } catch (error) {
      if (!isCisternError(error, "catalog-unavailable")) throw error;
      this.#doubt();
      if (older === undefined) throw error;
      return older;
    }
  }

  #doubt(): void {
    this.#doubtUntil = this.#clock.monotonic() + DOUBT_MS;
  }
}
