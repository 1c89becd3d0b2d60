import { and, eq, sql } from "drizzle-orm";
import { CisternError } from "../domain/errors.ts";
import type { Lease, LeaseAnswer, Leases } from "../domain/lease.ts";
import { fenceOf } from "./content-row.ts";
import { leases } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

const ATTEMPTS = 5;

const expiry = (milliseconds: number) => sql`clock_timestamp() + ${milliseconds} * interval '1 millisecond'`;

const nextFence = sql`nextval('fence')`;

export class PostgresLeases implements Leases {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async take(key: string, holder: string, milliseconds: number): Promise<LeaseAnswer> {
    for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
      const answer = await this.#session.transaction((tx) => takeOrTell(tx, key, holder, milliseconds));
      if (answer !== undefined) return answer;
    }
    throw new CisternError("too-busy", "the lease changes hands too fast", { retryAfter: 1 });
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

/** undefined: it was free when this tried to read who holds it. */
async function takeOrTell(
  tx: Queries,
  key: string,
  holder: string,
  milliseconds: number,
): Promise<LeaseAnswer | undefined> {
  const [taken] = await tx
    .insert(leases)
    .values({ key, holder, fence: nextFence, expiresAt: expiry(milliseconds) })
    .onConflictDoUpdate({
      target: leases.key,
      // Both anew, under the row's lock: the fence must be above that of whoever held it meanwhile.
      set: { holder, fence: nextFence, expiresAt: expiry(milliseconds) },
      setWhere: sql`${leases.expiresAt} <= clock_timestamp()`,
    })
    .returning();
  if (taken !== undefined) return { kind: "taken", lease: leaseOf(taken) };
  const [held] = await tx.select().from(leases).where(eq(leases.key, key));
  return held === undefined ? undefined : { kind: "held", by: leaseOf(held) };
}

/** Still the lease that was taken, not a later one of the same key. */
export function isThis(lease: Lease) {
  return and(eq(leases.key, lease.key), eq(leases.fence, lease.fence), eq(leases.holder, lease.holder));
}

function leaseOf(row: typeof leases.$inferSelect): Lease {
  return { key: row.key, fence: fenceOf(row.fence), holder: row.holder };
}
