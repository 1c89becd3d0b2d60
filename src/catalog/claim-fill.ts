import { eq, sql } from "drizzle-orm";
import type { FillEntry } from "../domain/fill-entry.ts";
import type { ClaimLimits } from "../domain/fill-queue.ts";
import { fillOf } from "./fill-row.ts";
import { fills } from "./fill-schema.ts";
import type { Queries } from "./session.ts";

/** Any number that no other advisory lock of this schema has. */
const LOCK = 0x66696c6c;

export const claimEnds = (milliseconds: number) => sql`clock_timestamp() + ${milliseconds} * interval '1 millisecond'`;

/**
 * In a transaction of its own. Claimers come one after the other: each must see what the one before
 * it has begun, or two would exceed a limit together.
 */
export async function claimFill(
  tx: Queries,
  kind: "prefetch" | "query",
  holder: string,
  limits: ClaimLimits,
  milliseconds: number,
): Promise<FillEntry | undefined> {
  await tx.execute(sql`select pg_advisory_xact_lock(${LOCK})`);
  const [row] = await tx
    .update(fills)
    .set({
      state: "running",
      holder,
      claimedUntil: claimEnds(milliseconds),
      attempts: sql`${fills.attempts} + 1`,
      startedAt: sql`case when ${fills.kind} = 'query' then coalesce(${fills.startedAt}, clock_timestamp()) else clock_timestamp() end`,
      bytes: 0,
      rate: 0,
      followers: 0,
      errorCode: null,
      errorMessage: null,
    })
    .where(eq(fills.id, next(kind, limits)))
    .returning();
  return row === undefined ? undefined : fillOf(row);
}

/** Cancellations lock rows as well: what one of them has is passed over. */
function next(kind: "prefetch" | "query", { perOrigin, perProject }: ClaimLimits) {
  return sql<string>`(
    with busy as (
      select project, origin from ${fills}
      where kind = 'prefetch' and state = 'running' and claimed_until > clock_timestamp()
    ), by_project as (select project, count(*) as n from busy group by project),
    by_origin as (select origin, count(*) as n from busy group by origin)
    select f.id from ${fills} f
    left join by_project p on p.project = f.project
    left join by_origin o on o.origin = f.origin
    where f.kind = ${kind}
      and (f.state = 'queued' and f.ready_at <= clock_timestamp() and (f.deadline is null or f.deadline > clock_timestamp())
        or f.state = 'running' and f.claimed_until <= clock_timestamp())
      and (f.kind = 'query' or coalesce(p.n, 0) < ${perProject} and coalesce(o.n, 0) < ${perOrigin})
    order by f.priority desc, coalesce(p.n, 0), f.created_at, f.id
    limit 1 for update of f skip locked)`;
}
