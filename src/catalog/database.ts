import type { PgDatabase } from "drizzle-orm/pg-core";
import type { PostgresJsQueryResultHKT } from "drizzle-orm/postgres-js";
import type { CatalogChanges } from "../domain/catalog-changes.ts";

/** What runs queries: a connection, or a transaction on it. */
export type Queries = PgDatabase<PostgresJsQueryResultHKT>;

/** A Postgres that answers, however it is reached. Rejects with what its driver throws. */
export interface Database {
  /** Aborted when it is gone for good; the reason says why. */
  readonly lost: AbortSignal;
  /** True: this process is alone with it, and does the upkeep that a server would do by itself. */
  readonly embedded: boolean;
  readonly changes: CatalogChanges;
  /**
   * Runs statements outside of a transaction, one after the other on one connection.
   *
   * @param late aborted when nobody waits for the answer any more
   */
  query<T>(run: (db: Queries) => PromiseLike<T>, late: AbortSignal): Promise<T>;
  /** All or nothing, READ COMMITTED; what is late is not committed. */
  transaction<T>(body: (tx: Queries) => Promise<T>, late: AbortSignal): Promise<T>;
  close(): Promise<void>;
}
