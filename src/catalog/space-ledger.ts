import { eq, sql } from "drizzle-orm";
import { z } from "zod";
import type { Fence, ObjectName } from "../domain/content.ts";
import type { Evicted, EvictedPage, SpaceAnswer, SpaceClaim, SpaceLedger, SpaceSetting } from "../domain/space.ts";
import { objectOf } from "./content-row.ts";
import { replicas, reservations } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

/** Contents that one transaction condemns: the lock of the ledger is held so long. */
const MOST = 500;
/** A holder that was not heard of for so long is dead, as far as its reservations are concerned. */
const DEAD_MS = 60_000;

const victimsSchema = z.array(z.object({ sha256: z.string(), fence: z.number(), size: z.number() }));
const answerSchema = z.object({ outcome: z.enum(["granted", "going", "full", "lost"]), victims: victimsSchema });
const pageSchema = z.object({ more: z.boolean(), victims: victimsSchema });

/** Calls the functions of migration 0010_space, which hold the ledger's rules. */
export class PostgresSpaceLedger implements SpaceLedger {
  readonly #session: Session;
  readonly #alone: boolean;

  /**
   * @param alone the catalog is this process's own. Then what is condemned counts until its object is
   *   gone, which is soon; and a reservation waits for no sync, for a crash ends whoever holds it.
   */
  constructor(session: Session, alone: boolean) {
    this.#session = session;
    this.#alone = alone;
  }

  async reserve(claim: SpaceClaim, bytes: number, setting: SpaceSetting): Promise<SpaceAnswer> {
    const { outcome, victims } = answerSchema.parse(await this.#call(this.#reserving(claim, bytes, setting)));
    return { outcome, evicted: victims.map(evictedOf) };
  }

  async foresee(claim: SpaceClaim, bytes: number, setting: SpaceSetting): Promise<SpaceAnswer["outcome"]> {
    const work = this.#reserving(claim, bytes, setting);
    return answerSchema.parse(await this.#session.dry((tx) => answerOf(tx, work))).outcome;
  }

  async release(fence: Fence): Promise<void> {
    await this.#session.query((db) => db.execute(sql`select release_space(${fence}, ${this.#alone})`));
  }

  async releaseAll(holder: string): Promise<void> {
    await this.#session.query((db) => db.delete(reservations).where(eq(reservations.holder, holder)));
  }

  async releaseDead(): Promise<number> {
    const since = sql`clock_timestamp() - ${DEAD_MS} * interval '1 millisecond'`;
    const gone = await this.#session.query((db) => {
      const alive = db.select({ holder: replicas.holder }).from(replicas).where(sql`${replicas.seenAt} > ${since}`);
      return db
        .delete(reservations)
        .where(sql`${reservations.createdAt} < ${since} and ${reservations.holder} not in ${alive}`)
        .returning({ fence: reservations.fence });
    });
    return gone.length;
  }

  evict(bytes: number, setting: SpaceSetting): Promise<EvictedPage> {
    return this.#evict(sql`${bytes}::bigint`, false, setting);
  }

  evictDown(going: boolean, setting: SpaceSetting): Promise<EvictedPage> {
    return this.#evict(sql`null`, going, setting);
  }

  async #evict(
    wanted: ReturnType<typeof sql>,
    going: boolean,
    { configured, open }: SpaceSetting,
  ): Promise<EvictedPage> {
    const { more, victims } = pageSchema.parse(
      await this.#call(sql`evict_space(${wanted}, ${going}, ${configured}, ${this.#alone}, ${names(open)}, ${MOST})`),
    );
    return { more, evicted: victims.map(evictedOf) };
  }

  #reserving({ key, fence, holder, project, origin }: SpaceClaim, bytes: number, { configured, open }: SpaceSetting) {
    return sql`reserve_space(${key}, ${fence}, ${holder}, ${project}, ${origin}, ${bytes}, ${configured}, ${this.#alone}, ${names(open)}, ${MOST})`;
  }

  async #call(work: ReturnType<typeof sql>): Promise<unknown> {
    const run = (db: Queries) => answerOf(db, work);
    // Alone nobody can be in the way; among others it may lose a deadlock against a removal of many records.
    return this.#alone ? this.#session.query(run) : this.#session.transaction(run);
  }
}

async function answerOf(db: Queries, work: ReturnType<typeof sql>): Promise<unknown> {
  return (await db.execute<{ answer: unknown }>(sql`select ${work} as answer`))[0]?.answer;
}

function evictedOf(row: z.infer<typeof victimsSchema>[number]): Evicted {
  return { object: objectOf(row), size: row.size };
}

function names(open: readonly ObjectName[]) {
  const list = open.map(({ sha256, fence }) => `${sha256}/${fence}`);
  return sql`array(select jsonb_array_elements_text(${JSON.stringify(list)}::jsonb))`;
}
