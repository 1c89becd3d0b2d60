import type { Sql } from "postgres";

/** A Postgres that answers, however it is reached. */
export interface Database {
  readonly sql: Sql;
  /** Aborted when it is gone for good; the reason says why. */
  readonly lost: AbortSignal;
  /** True: this process is alone with it, and does the upkeep that a server would do by itself. */
  readonly embedded: boolean;
  close(): Promise<void>;
}
