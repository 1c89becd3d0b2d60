import { and, eq, getTableColumns, type Placeholder, sql } from "drizzle-orm";
import { CisternError } from "../domain/errors.ts";
import type { HeldLease, Lease, LeaseAnswer, Leases } from "../domain/lease.ts";
import { fenceOf } from "./content-row.ts";
import { leases } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

const ATTEMPTS = 5;

const expiry = (milliseconds: number | Placeholder) =>
  sql`clock_timestamp() + ${milliseconds} * interval '1 millisecond'`;

const EXPIRED = sql`${leases.expiresAt} <= clock_timestamp()`;

type LeaseRow = typeof leases.$inferSelect;

const nextFence = sql`nextval('fence')`;

/** More than one process ever takes. */
const FENCES_OF_A_PROCESS = 1_000_000;

export class PostgresLeases implements Leases {
  readonly #session: Session;
  readonly #alone: boolean;
  readonly #statements = new WeakMap<Queries, TakeStatement>();

  /**
   * @param alone the catalog is this process's own. Then taking a lease waits for no sync: what a
   *   crash loses of it is the lease of a dead process, and the fence, which `releaseAll` sees to
   *   being never given again. What is admitted under a lease syncs everything before it.
   */
  constructor(session: Session, alone = false) {
    this.#session = session;
    this.#alone = alone;
  }

  async take(key: string, holder: string, milliseconds: number): Promise<LeaseAnswer> {
    const commit = this.#alone ? "off" : "on";
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const [taken] = await this.#session.lookUp((db) =>
        this.#taking(db).execute({ key, holder, milliseconds, commit }),
      );
      if (taken !== undefined) return { kind: "taken", lease: leaseOf(taken) };
      const held = await this.#session.lookUp((db) => tell(db, key));
      // It may have been given back meanwhile.
      if (held !== undefined) return held;
    }
    throw new CisternError("too-busy", "the lease changes hands too fast", { retryAfter: 1 });
  }

  async takeOver(lease: Lease, holder: string, milliseconds: number, certain: boolean): Promise<LeaseAnswer> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const answer = await this.#session.transaction(async (tx) => {
        const [over] = await tx
          .update(leases)
          .set({ holder, fence: nextFence, expiresAt: expiry(milliseconds) })
          .where(certain ? isThis(lease) : and(isThis(lease), EXPIRED))
          .returning();
        const taken = over ?? (await insertLease(tx, lease.key, holder, milliseconds));
        return taken === undefined ? tell(tx, lease.key) : ({ kind: "taken", lease: leaseOf(taken) } as const);
      });
      if (answer !== undefined) return answer;
    }
    throw new CisternError("too-busy", "the lease changes hands too fast", { retryAfter: 1 });
  }

  find(key: string): Promise<HeldLease | undefined> {
    return this.#session.lookUp((db) => tell(db, key));
  }

  async renew(lease: Lease, milliseconds: number): Promise<boolean> {
    const renewed = await this.#session.lookUp((db) =>
      db
        .update(leases)
        .set({ expiresAt: expiry(milliseconds) })
        .where(isThis(lease))
        .returning({ key: leases.key }),
    );
    return renewed.length > 0;
  }

  async release(lease: Lease): Promise<void> {
    await this.#session.query((db) => db.delete(leases).where(isThis(lease)));
  }

  async releaseAll(holder: string): Promise<void> {
    await this.#session.transaction(async (tx) => {
      await tx.delete(leases).where(eq(leases.holder, holder));
      // Above whatever the process before gave out and a crash made the sequence forget.
      if (this.#alone) await tx.execute(sql`select setval('fence', ${nextFence} + ${FENCES_OF_A_PROCESS}::bigint)`);
    });
  }

  #taking(db: Queries): TakeStatement {
    const known = this.#statements.get(db);
    if (known !== undefined) return known;
    const statement = prepareTake(db);
    this.#statements.set(db, statement);
    return statement;
  }
}

/** undefined: somebody has it. */
async function insertLease(
  tx: Queries,
  key: string,
  holder: string,
  milliseconds: number,
): Promise<LeaseRow | undefined> {
  const [taken] = await tx
    .insert(leases)
    .values({ key, holder, fence: nextFence, expiresAt: expiry(milliseconds) })
    .onConflictDoNothing({ target: leases.key })
    .returning();
  return taken;
}

/** Who holds it; undefined: it has become free meanwhile. */
async function tell(tx: Queries, key: string): Promise<HeldLease | undefined> {
  const [held] = await tx
    .select({ ...getTableColumns(leases), expired: sql<boolean>`${EXPIRED}` })
    .from(leases)
    .where(eq(leases.key, key));
  return held === undefined ? undefined : { kind: "held", by: leaseOf(held), expired: held.expired };
}

type TakeStatement = ReturnType<typeof prepareTake>;

/** One round trip, atomic by itself: a row when the lease was free, none when it is held. */
function prepareTake(db: Queries) {
  const mode = db
    .$with("mode", { commit: sql<string>`commit`.as("commit") })
    .as(sql`select set_config('synchronous_commit', ${sql.placeholder("commit")}, true) as commit`);
  const holder = sql`${sql.placeholder("holder")}`;
  const expiresAt = expiry(sql.placeholder("milliseconds"));
  return db
    .with(mode)
    .insert(leases)
    .select((select) =>
      select
        .select({
          key: sql`${sql.placeholder("key")}`.as("key"),
          holder: holder.as("holder"),
          fence: nextFence.as("fence"),
          expiresAt: expiresAt.as("expires_at"),
        })
        .from(mode),
    )
    .onConflictDoNothing({ target: leases.key })
    .returning()
    .prepare("take_lease");
}

/** Still the lease that was taken, not a later one of the same key. */
export function isThis(lease: Lease) {
  return and(eq(leases.key, lease.key), eq(leases.fence, lease.fence), eq(leases.holder, lease.holder));
}

function leaseOf(row: LeaseRow): Lease {
  return { key: row.key, fence: fenceOf(row.fence), holder: row.holder };
}
