import type { PgDatabase } from "drizzle-orm/pg-core";
import { drizzle, type PostgresJsQueryResultHKT } from "drizzle-orm/postgres-js";
import type { Database } from "./database.ts";
import { mayRunAgain, translate, unavailable } from "./translate-error.ts";

/** What runs queries: the connection itself, or a transaction on it. */
export type Queries = PgDatabase<PostgresJsQueryResultHKT>;

const ATTEMPTS = 4;

/** Runs queries with a time limit and answers in the domain's errors. */
export class Session {
  readonly #db: Queries;
  readonly #lost: AbortSignal;
  readonly #milliseconds: number;

  /** @param milliseconds limit of one query or transaction, waiting for its turn included */
  constructor(database: Database, milliseconds: number) {
    this.#db = drizzle(database.sql);
    this.#lost = database.lost;
    this.#milliseconds = milliseconds;
  }

  /** The connection, for statements that are prepared once and run through `query`. */
  get db(): Queries {
    return this.#db;
  }

  /** One query outside of a transaction; `milliseconds` for one that may take longer than others. */
  query<T>(run: (db: Queries) => PromiseLike<T>, milliseconds = this.#milliseconds): Promise<T> {
    return this.#within(milliseconds, () => run(this.#db)).catch(rethrow);
  }

  /**
   * All or nothing, READ COMMITTED. `body` may run more than once: a transaction that lost a
   * deadlock is begun again.
   */
  async transaction<T>(body: (tx: Queries) => Promise<T>): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#within(this.#milliseconds, (late) => this.#begin(body, late));
      } catch (error) {
        if (attempt === ATTEMPTS || !mayRunAgain(error)) throw translate(error);
      }
    }
  }

  #begin<T>(body: (tx: Queries) => Promise<T>, late: () => boolean): Promise<T> {
    return this.#db.transaction(async (tx) => {
      // Nobody waits any more: what has not begun does not begin, what is not committed is not.
      if (late()) throw unavailable("too late to begin");
      const answer = await body(tx);
      if (late()) throw unavailable("too late to commit");
      return answer;
    });
  }

  async #within<T>(milliseconds: number, start: (late: () => boolean) => PromiseLike<T>): Promise<T> {
    if (this.#lost.aborted) throw this.#lost.reason;
    const over = Promise.withResolvers<never>();
    let late = false;
    const timer = setTimeout(() => {
      late = true;
      over.reject(unavailable(`no answer within ${milliseconds} ms`));
    }, milliseconds);
    const onLost = () => over.reject(this.#lost.reason);
    this.#lost.addEventListener("abort", onLost, { once: true });
    try {
      return await Promise.race([start(() => late), over.promise]);
    } finally {
      clearTimeout(timer);
      this.#lost.removeEventListener("abort", onLost);
    }
  }
}

function rethrow(error: unknown): never {
  throw translate(error);
}
