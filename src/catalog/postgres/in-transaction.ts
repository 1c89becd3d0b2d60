import { sql } from "drizzle-orm";
import type { Queries } from "../database.ts";
import { unavailable } from "../translate-error.ts";
import type { Connection } from "./connection.ts";

/** All or nothing on this connection, READ COMMITTED. A commit that gets no answer is in doubt, and rejects. */
export async function inTransaction<T>(
  { db, broken, destroy }: Connection,
  body: (tx: Queries) => Promise<T>,
  late: AbortSignal,
): Promise<T> {
  await db.execute(sql`begin isolation level read committed`);
  try {
    const answer = await body(db);
    late.throwIfAborted();
    // A statement failed that the body made nothing of: the server has given the transaction up.
    const { command } = await db.execute(sql`commit`);
    if (command !== "COMMIT") throw unavailable("the transaction was not committed");
    return answer;
  } catch (error) {
    if (!broken.aborted) await db.execute(sql`rollback`).catch(() => destroy("it did not roll back"));
    throw error;
  }
}
