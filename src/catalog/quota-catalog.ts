import { asc, eq, inArray, sql } from "drizzle-orm";
import type { ChangedQuotas, Charged, ListedQuota, ProjectQuota, QuotaCatalog } from "../domain/quotas.ts";
import { egressUse, quotas } from "./audit-schema.ts";
import type { Queries, Session } from "./session.ts";

/** By the database's clock, which all replicas share. */
const TODAY = sql`(clock_timestamp() at time zone 'utc')::date`;
const UNLIMITED = -1;
/** A limit that no sum of bytes reaches. */
const NEVER_REACHED = sql.raw("9223372036854775807");

export class PostgresQuotaCatalog implements QuotaCatalog {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  list(): Promise<readonly ListedQuota[]> {
    return this.#session.query(listed);
  }

  async find(project: string): Promise<ProjectQuota> {
    const [row] = await this.#session.lookUp((db) => db.select().from(quotas).where(eq(quotas.project, project)));
    return row === undefined ? { fetchedBytesPerDay: undefined, concurrentFills: undefined } : quotaOf(row);
  }

  change(decide: (known: readonly ListedQuota[]) => readonly ListedQuota[]): Promise<ChangedQuotas> {
    return this.#session.transaction(async (tx) => {
      // Whoever changes waits for the one before; whoever reads does not.
      await tx.execute(sql`lock table ${quotas} in share row exclusive mode`);
      const before = await listed(tx);
      const changed = decide(before);
      await replace(tx, changed);
      return { before, after: changed.length === 0 ? before : await listed(tx) };
    });
  }

  charge(project: string, bytes: number, fallback: number): Promise<Charged> {
    return this.#session.query((db) => charge(db, project, bytes, fallback));
  }

  foresee(project: string, bytes: number, fallback: number): Promise<Charged> {
    return this.#session.dry((tx) => charge(tx, project, bytes, fallback));
  }

  async count(bytes: ReadonlyMap<string, number>): Promise<void> {
    // In one order, so that two that count at once do not wait for each other in a ring.
    const sorted = [...bytes].toSorted(([one], [other]) => (one < other ? -1 : 1));
    if (sorted.length === 0) return;
    const deltas = sql.join(
      sorted.map(([project, delta]) => sql`(${project}::text, ${delta}::bigint)`),
      sql`, `,
    );
    await this.#session.query((db) =>
      db.execute(sql`
        with d (project, delta) as (values ${deltas})
        insert into ${egressUse} as u (project, day, bytes)
        select d.project, ${TODAY}, greatest(0, d.delta) from d
        on conflict (day, project) do update
          set bytes = greatest(0, u.bytes + (select d.delta from d where d.project = u.project))`),
    );
  }

  async used(): Promise<ReadonlyMap<string, number>> {
    const rows = await this.#session.query((db) =>
      db.select({ project: egressUse.project, bytes: egressUse.bytes }).from(egressUse).where(eq(egressUse.day, TODAY)),
    );
    return new Map(rows.map(({ project, bytes }) => [project, bytes]));
  }

  async expire(days: number): Promise<void> {
    await this.#session.query((db) => db.delete(egressUse).where(sql`${egressUse.day} < ${TODAY} - ${days}::int`));
  }
}

async function charge(db: Queries, project: string, bytes: number, fallback: number): Promise<Charged> {
  const otherwise = Number.isFinite(fallback) ? sql`${fallback}::bigint` : NEVER_REACHED;
  const [row] = await db.execute<{ admitted: boolean; used: string; max: string }>(sql`
        with allowed as (
          select case when q.bytes = ${UNLIMITED} then ${NEVER_REACHED} else coalesce(q.bytes, ${otherwise}) end as max
          from (select (select fetched_bytes_per_day from ${quotas} where project = ${project}) as bytes) q
        ), charged as (
          insert into ${egressUse} as u (project, day, bytes)
          select ${project}, ${TODAY}, ${bytes}::bigint from allowed where ${bytes}::bigint <= max and max > 0
          on conflict (day, project) do update set bytes = u.bytes + excluded.bytes
            where u.bytes + excluded.bytes <= (select max from allowed)
              and u.bytes < (select max from allowed)
          returning bytes
        )
        select exists (select 1 from charged) as admitted, max,
          coalesce((select bytes from charged),
            (select bytes from ${egressUse} where project = ${project} and day = ${TODAY}), 0) as used
        from allowed`);
  if (row === undefined) throw new TypeError("the catalog does not say what came of a charge");
  const limit = Number(row.max);
  return { admitted: row.admitted, used: Number(row.used), limit: limit >= 2 ** 63 ? Infinity : limit };
}

async function listed(db: Queries): Promise<readonly ListedQuota[]> {
  const rows = await db.select().from(quotas).orderBy(asc(quotas.project));
  return rows.map((row) => ({ project: row.project, ...quotaOf(row) }));
}

async function replace(tx: Queries, changed: readonly ListedQuota[]): Promise<void> {
  const projects = changed.map(({ project }) => project);
  const rows = changed
    .map(({ project, fetchedBytesPerDay, concurrentFills }) => ({
      project,
      fetchedBytesPerDay: stored(fetchedBytesPerDay),
      concurrentFills: stored(concurrentFills),
    }))
    .filter(({ fetchedBytesPerDay, concurrentFills }) => fetchedBytesPerDay !== null || concurrentFills !== null);
  await tx.delete(quotas).where(inArray(quotas.project, projects));
  if (rows.length > 0) await tx.insert(quotas).values(rows);
}

function quotaOf(row: Omit<typeof quotas.$inferSelect, "project">): ProjectQuota {
  return { fetchedBytesPerDay: read(row.fetchedBytesPerDay), concurrentFills: read(row.concurrentFills) };
}

function read(limit: number | null): number | undefined {
  if (limit === null) return undefined;
  return limit === UNLIMITED ? Number.POSITIVE_INFINITY : limit;
}

function stored(limit: number | undefined): number | null {
  if (limit === undefined) return null;
  return Number.isFinite(limit) ? limit : UNLIMITED;
}
