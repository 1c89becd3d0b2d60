import { and, desc, eq, inArray, type SQL, sql } from "drizzle-orm";
import { invalid } from "../domain/errors.ts";
import type { FillListQuery, FillPage } from "../domain/fill-queue.ts";
import { fillOf } from "./fill-row.ts";
import { fills } from "./fill-schema.ts";
import type { Queries } from "./session.ts";

const CURSOR = /^(\d{1,18})_([0-9A-Za-z.-]{1,64})$/;
/** A Date has lost its microseconds. */
const micros = sql<string>`(extract(epoch from ${fills.createdAt}) * 1000000)::bigint::text`;

/** One page, newest first. */
export async function listFills(db: Queries, query: FillListQuery): Promise<FillPage> {
  const rows = await db
    .select({ fill: fills, at: micros })
    .from(fills)
    .where(and(...filters(query)))
    .orderBy(desc(fills.createdAt), desc(fills.id))
    .limit(query.limit + 1);
  const page = rows.slice(0, query.limit);
  const last = page.at(-1);
  return {
    fills: page.map(({ fill }) => fillOf(fill)),
    next: rows.length > query.limit && last !== undefined ? `${last.at}_${last.fill.id}` : undefined,
  };
}

function filters(query: FillListQuery): SQL[] {
  const wanted: SQL[] = [];
  const [only, ...others] = query.states;
  if (only !== undefined) wanted.push(others.length === 0 ? eq(fills.state, only) : inArray(fills.state, query.states));
  if (query.kind !== undefined) wanted.push(eq(fills.kind, query.kind));
  if (query.project !== undefined) wanted.push(eq(fills.project, query.project));
  if (query.origin !== undefined) wanted.push(eq(fills.origin, query.origin));
  if (query.replica !== undefined) wanted.push(sql`split_part(${fills.holder}, '#', 1) = ${query.replica}`);
  if (query.parent !== undefined) wanted.push(eq(fills.parent, query.parent));
  if (query.artifact !== undefined) wanted.push(eq(fills.artifactId, query.artifact));
  if (query.after !== undefined) wanted.push(afterCursor(query.after));
  return wanted;
}

function afterCursor(cursor: string): SQL {
  const [, at, id] = CURSOR.exec(cursor) ?? [];
  if (at === undefined || id === undefined)
    throw invalid("query.after", "must be what the page before it names as next");
  const time = sql`timestamptz 'epoch' + ${at}::bigint * interval '1 microsecond'`;
  return sql`(${fills.createdAt}, ${fills.id}) < (${time}, ${id})`;
}
