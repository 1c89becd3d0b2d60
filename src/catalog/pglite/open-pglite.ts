import { drizzle } from "drizzle-orm/postgres-js";
import postgres from "postgres";
import type { Database, Queries } from "../database.ts";
import { textArray } from "../text-array.ts";
import { PgliteThread } from "./pglite-thread.ts";

/** For what is in flight, and again for Postgres itself. */
const CLOSE_MS = 5_000;

/**
 * Starts the embedded Postgres over `directory` in a thread of its own (made at the first start;
 * mode 0700). `catalog-unavailable` when it does not start within `startMilliseconds`. A thread
 * that dies is not started again: what it held in flight is in doubt (I7).
 *
 * @param entry the program of the thread
 */
export async function openPglite(
  directory: string,
  startMilliseconds: number,
  entry = new URL("./worker.ts", import.meta.url),
): Promise<Database> {
  const thread = new PgliteThread(directory, entry);
  try {
    await thread.ready(startMilliseconds);
  } catch (error) {
    await thread.kill();
    throw error;
  }
  const sql = connect(thread);
  const db: Queries = drizzle(sql);
  return {
    lost: thread.lost,
    embedded: true,
    // Nobody else writes it.
    changes: { listen: async () => ({ [Symbol.asyncDispose]: async () => undefined }) },
    // The driver has one connection and queues for it; what is late still gets its turn.
    query: async (run) => await run(db),
    transaction: (body, late) =>
      db.transaction(async (tx) => {
        // Nobody waits any more: what has not begun does not begin, what is not committed is not.
        late.throwIfAborted();
        const answer = await body(tx);
        late.throwIfAborted();
        return answer;
      }),
    async close() {
      await sql.end({ timeout: thread.lost.aborted ? 0 : CLOSE_MS / 1000 });
      await thread.close(CLOSE_MS);
    },
  };
}

function connect(thread: PgliteThread): postgres.Sql {
  let opened = false;
  return postgres({
    host: "localhost",
    port: 5432,
    database: "postgres",
    username: "postgres",
    password: "",
    ssl: false,
    max: 1,
    fetch_types: false,
    types: { textArray },
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 30,
    backoff: false,
    onnotice: () => undefined,
    // In the driver's documentation, but not in its types (hence the assertion): any duplex stream.
    socket: () => {
      // One session: a second one would inherit an unknown transaction of the first.
      const again = opened;
      opened = true;
      return thread.connect(again);
    },
  } as postgres.Options<Record<string, postgres.PostgresType>>);
}
