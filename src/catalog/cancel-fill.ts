import { and, eq, sql } from "drizzle-orm";
import type { FillEntry, FillId } from "../domain/fill-entry.ts";
import { fillOf } from "./fill-row.ts";
import { fills } from "./fill-schema.ts";
import type { Queries } from "./session.ts";

const CANCELLED = { state: "cancelled", claimedUntil: null, endedAt: sql`clock_timestamp()` } as const;

/** In a transaction of its own. A query is locked first: whoever adds to it waits, and then adds nothing. */
export async function cancelFill(tx: Queries, id: FillId, force: boolean): Promise<FillEntry | undefined> {
  const [row] = await tx.select().from(fills).where(eq(fills.id, id)).for("update");
  if (row === undefined || row.endedAt !== null) return row === undefined ? undefined : fillOf(row);
  const order = force ? "forced" : (row.cancel ?? "asked");
  if (row.kind === "query") await cancelParts(tx, id, order);
  // A query runs for no longer than a page of what it finds: there is nothing to stop.
  const change = row.kind === "query" || row.state === "queued" ? CANCELLED : { cancel: order };
  const [now] = await tx.update(fills).set(change).where(eq(fills.id, id)).returning();
  return now === undefined ? undefined : fillOf(now);
}

async function cancelParts(tx: Queries, query: FillId, order: "asked" | "forced"): Promise<void> {
  const of = eq(fills.parent, query);
  await tx
    .update(fills)
    .set(CANCELLED)
    .where(and(of, eq(fills.state, "queued")));
  await tx
    .update(fills)
    .set({ cancel: order })
    .where(and(of, eq(fills.state, "running")));
}
