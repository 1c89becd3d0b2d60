import { CisternError } from "../domain/errors.ts";
import type { Database, Queries } from "./database.ts";
import { mayRunAgain, translate, unavailable } from "./translate-error.ts";
import { unlessAborted } from "./unless-aborted.ts";

export type { Queries } from "./database.ts";

const ATTEMPTS = 4;
/** Of one look-up at a server: clients wait for it, and what it asks for is small. */
const LOOK_UP_MS = 5_000;

const TAKEN_BACK = new CisternError("internal", "a dry run is taken back");

/** Runs queries with a time limit and answers in the domain's errors. */
export class Session {
  readonly #database: Database;
  readonly #milliseconds: number;

  /** @param milliseconds limit of one query or transaction, waiting for its turn included */
  constructor(database: Database, milliseconds: number) {
    this.#database = database;
    this.#milliseconds = milliseconds;
  }

  /** One query outside of a transaction; `milliseconds` for one that may take longer than others. */
  query<T>(run: (db: Queries) => PromiseLike<T>, milliseconds = this.#milliseconds): Promise<T> {
    return this.#within(milliseconds, (late) => this.#database.query(run, late)).catch(rethrow);
  }

  /**
   * A query that finds a few rows by their key. A server that hangs is given up sooner than with other
   * queries; the embedded catalog has one query at a time, and may be at a long one.
   */
  lookUp<T>(run: (db: Queries) => PromiseLike<T>): Promise<T> {
    return this.query(run, this.#database.embedded ? undefined : Math.min(this.#milliseconds, LOOK_UP_MS));
  }

  /**
   * All or nothing, READ COMMITTED. `body` may run more than once: a transaction that lost a
   * deadlock is begun again.
   */
  async transaction<T>(body: (tx: Queries) => Promise<T>, milliseconds = this.#milliseconds): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#within(milliseconds, (late) => this.#database.transaction(body, late));
      } catch (error) {
        if (attempt === ATTEMPTS || !mayRunAgain(error)) throw translate(error);
      }
    }
  }

  /** What a transaction would answer: it is run, and everything that it wrote is taken back. */
  async dry<T>(body: (tx: Queries) => Promise<T>): Promise<T> {
    const { promise, resolve } = Promise.withResolvers<T>();
    try {
      await this.transaction(async (tx) => {
        resolve(await body(tx));
        throw TAKEN_BACK;
      });
    } catch (error) {
      if (error !== TAKEN_BACK) throw error;
    }
    return promise;
  }

  async #within<T>(milliseconds: number, start: (late: AbortSignal) => PromiseLike<T>): Promise<T> {
    const { lost } = this.#database;
    if (lost.aborted) throw lost.reason;
    const late = new AbortController();
    const tooLate = () => late.abort(unavailable(`no answer within ${milliseconds} ms`));
    const timer = setTimeout(tooLate, milliseconds);
    const onLost = () => late.abort(lost.reason);
    lost.addEventListener("abort", onLost, { once: true });
    try {
      return await unlessAborted(start(late.signal), late.signal);
    } finally {
      clearTimeout(timer);
      lost.removeEventListener("abort", onLost);
    }
  }
}

function rethrow(error: unknown): never {
  throw translate(error);
}
