import { and, eq, sql } from "drizzle-orm";
import type { FillEntry } from "../domain/fill-entry.ts";
import type { ClaimLimits } from "../domain/fill-queue.ts";
import { fillOf } from "./fill-row.ts";
import { fills } from "./fill-schema.ts";
import type { Queries } from "./session.ts";

/** Any number that no other advisory lock of this schema has. */
const LOCK = 0x66696c6c;

export const claimEnds = (milliseconds: number) => sql`clock_timestamp() + ${milliseconds} * interval '1 millisecond'`;

/** A cancellation may come between the look and the update: then the next one is looked for. */
const ATTEMPTS = 3;

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
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const [found] = await tx.execute<{ id: string }>(next(kind, limits));
    if (found === undefined) return undefined;
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
      .where(
        and(eq(fills.id, found.id), sql`(${fills.state} = 'queued' or ${fills.claimedUntil} <= clock_timestamp())`),
      )
      .returning();
    if (row !== undefined) return fillOf(row);
  }
  return undefined;
}

/**
 * Of each project the first that may run, and of these the best: a queue of a hundred thousand is
 * not sorted for it. Whose holder is gone was the best once: such rows are few.
 */
function next(kind: "prefetch" | "query", { perOrigin, perProject, except = "" }: ClaimLimits) {
  // A query has many turns, and between them it waits: who has waited longest is next, begun or not.
  const since = kind === "query" ? sql`coalesce(f.claimed_until, f.ready_at)` : sql`f.created_at`;
  const fewest = kind === "query" ? sql`` : sql`coalesce(b.n, 0),`;
  return sql`
    with recursive projects as (
      (select project from ${fills} where state = 'queued' and kind = ${kind} order by project limit 1)
      union all
      select (select f.project from ${fills} f where f.state = 'queued' and f.kind = ${kind} and f.project > p.project
        order by f.project limit 1)
      from projects p where p.project is not null
    ), busy as (
      select project, origin from ${fills}
      where kind = 'prefetch' and state = 'running' and claimed_until > clock_timestamp()
    ), by_project as (select project, count(*) as n from busy group by project),
    full_origins as (select origin from busy group by origin having count(*) >= ${perOrigin}),
    heads as (
      select h.* from projects p cross join lateral (
        select f.id, f.project, f.priority, ${since} as since from ${fills} f
        where f.state = 'queued' and f.kind = ${kind} and f.project = p.project and f.ready_at <= clock_timestamp()
          and (f.deadline is null or f.deadline > clock_timestamp())
          and (f.kind = 'query' or ${perOrigin} > 0 and f.origin not in (select origin from full_origins))
        order by f.priority desc, f.created_at, f.id limit 1) h
      union all
      select f.id, f.project, f.priority, ${since} from ${fills} f
      where f.state = 'running' and f.kind = ${kind} and f.claimed_until <= clock_timestamp()
        and (f.kind = 'query' or ${perOrigin} > 0 and f.origin not in (select origin from full_origins))
    )
    select h.id from heads h left join by_project b on b.project = h.project
    where ${kind} = 'query' or coalesce(b.n, 0) < ${perProject} and h.project <> ${except}
    order by h.priority desc, ${fewest} h.since, h.id limit 1`;
}
