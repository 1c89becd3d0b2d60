import { and, eq, sql } from "drizzle-orm";
import { artifactCounts, contentUse, leases } from "./schema.ts";
import type { Session } from "./session.ts";

const TABLES = [
  "artifact_counts",
  "artifacts",
  "audit",
  "blobs",
  "blocks",
  "capacity",
  "content_use",
  "contents",
  "egress_use",
  "fills",
  "first_answers",
  "graves",
  "leases",
  "location_checks",
  "replicas",
  "reservations",
  "superseded",
  "tasks",
  "tokens",
] as const;
const STEP_MS = 120_000;

/**
 * What a Postgres server does by itself and the embedded one does not: removes dead rows, renews
 * the planner's statistics, and shortens the write-ahead log. In steps, so that queries get in
 * between; `signal` is obeyed between two of them.
 */
export async function housekeep(session: Session, signal: AbortSignal): Promise<void> {
  await dropEmptyCounts(session);
  const steps = [...TABLES.map((table) => sql.raw(`vacuum (analyze) ${table}`)), sql.raw("checkpoint")];
  for (const step of steps) {
    signal.throwIfAborted();
    await session.query((db) => db.execute(step), STEP_MS);
  }
}

/** A server keeps itself; of what dead replicas left, the leases that nobody asked for go. */
export async function housekeepServer(session: Session): Promise<void> {
  const longExpired = sql`${leases.expiresAt} < clock_timestamp() - interval '1 day'`;
  await session.query((db) => db.delete(leases).where(longExpired));
  await dropEmptyCounts(session);
}

/** Of owners who have nothing any more. Whoever counts one of them at this moment writes it anew. */
async function dropEmptyCounts(session: Session): Promise<void> {
  await session.query((db) => db.delete(artifactCounts).where(eq(artifactCounts.count, 0)));
  await session.query((db) => db.delete(contentUse).where(and(eq(contentUse.count, 0), eq(contentUse.bytes, 0))));
}
