import { and, eq, getTableColumns, sql } from "drizzle-orm";
import { CisternError } from "../domain/errors.ts";
import type { Lease, LeaseAnswer, Leases } from "../domain/lease.ts";
import { fenceOf } from "./content-row.ts";
import { leases } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

const ATTEMPTS = 5;

const expiry = (milliseconds: number) => sql`clock_timestamp() + ${milliseconds} * interval '1 millisecond'`;

const EXPIRED = sql`${leases.expiresAt} <= clock_timestamp()`;

type LeaseRow = typeof leases.$inferSelect;

const nextFence = sql`nextval('fence')`;

export class PostgresLeases implements Leases {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  take(key: string, holder: string, milliseconds: number): Promise<LeaseAnswer> {
    return this.#insist(key, (tx) => insertLease(tx, key, holder, milliseconds));
  }

  takeOver(lease: Lease, holder: string, milliseconds: number, certain: boolean): Promise<LeaseAnswer> {
    return this.#insist(lease.key, async (tx) => {
      const [taken] = await tx
        .update(leases)
        .set({ holder, fence: nextFence, expiresAt: expiry(milliseconds) })
        .where(certain ? isThis(lease) : and(isThis(lease), EXPIRED))
        .returning();
      return taken ?? insertLease(tx, lease.key, holder, milliseconds);
    });
  }

  async #insist(key: string, take: (tx: Queries) => Promise<LeaseRow | undefined>): Promise<LeaseAnswer> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const answer = await this.#session.transaction(async (tx) => {
        const taken = await take(tx);
        return taken === undefined ? tell(tx, key) : ({ kind: "taken", lease: leaseOf(taken) } as const);
      });
      if (answer !== undefined) return answer;
    }
    throw new CisternError("too-busy", "the lease changes hands too fast", { retryAfter: 1 });
  }

  async find(key: string): Promise<Lease | undefined> {
    const [row] = await this.#session.query((db) => db.select().from(leases).where(eq(leases.key, key)));
    return row === undefined ? undefined : leaseOf(row);
  }

  async renew(lease: Lease, milliseconds: number): Promise<boolean> {
    const renewed = await this.#session.query((db) =>
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
    await this.#session.query((db) => db.delete(leases).where(eq(leases.holder, holder)));
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
async function tell(tx: Queries, key: string): Promise<LeaseAnswer | undefined> {
  const [held] = await tx
    .select({ ...getTableColumns(leases), expired: sql<boolean>`${EXPIRED}` })
    .from(leases)
    .where(eq(leases.key, key));
  return held === undefined ? undefined : { kind: "held", by: leaseOf(held), expired: held.expired };
}

/** Still the lease that was taken, not a later one of the same key. */
export function isThis(lease: Lease) {
  return and(eq(leases.key, lease.key), eq(leases.fence, lease.fence), eq(leases.holder, lease.holder));
}

function leaseOf(row: LeaseRow): Lease {
  return { key: row.key, fence: fenceOf(row.fence), holder: row.holder };
}
