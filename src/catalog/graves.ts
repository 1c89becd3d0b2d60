import { and, desc, eq, lt, ne, sql } from "drizzle-orm";
import type { ArtifactId } from "../domain/artifact.ts";
import { EVERYBODY, type Grave, type Graves } from "../domain/graves.ts";
import { graves } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

const MOST = 100_000;
/** Rows that one statement writes. */
const BATCH = 500;
const DAY_OLD = sql`clock_timestamp() - interval '1 day'`;

export class PostgresGraves implements Graves {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async write(told: readonly Grave[]): Promise<void> {
    // One row each, and in one order, so that two that write at once do not wait for each other in a ring.
    const rows = new Map<string, Grave>();
    for (const grave of told) rows.set(keyOf(grave), grave);
    const sorted = [...rows.entries()].sort(([one], [other]) => (one < other ? -1 : 1)).map(([, grave]) => grave);
    await this.#session.transaction(async (tx) => {
      for (const grave of sorted) if (grave.caller === EVERYBODY && !grave.anew) await endAnew(tx, grave);
      for (let at = 0; at < sorted.length; at += BATCH) await upsert(tx, sorted.slice(at, at + BATCH));
    });
  }

  async list(): Promise<readonly Grave[]> {
    const rows = await this.#session.query((db) =>
      db.select().from(graves).where(sql`${graves.writtenAt} > ${DAY_OLD}`).orderBy(desc(graves.writtenAt)).limit(MOST),
    );
    return rows.map(({ artifactId, field, key, caller, anew }) => ({
      ref: { artifactId: artifactId as ArtifactId, field, key },
      caller,
      anew,
    }));
  }

  async expire(): Promise<void> {
    await this.#session.query((db) => db.delete(graves).where(lt(graves.writtenAt, DAY_OLD)));
  }
}

/** Whoever has begun anew before everybody was buried has to do so again. */
async function endAnew(tx: Queries, { ref }: Grave): Promise<void> {
  await tx
    .delete(graves)
    .where(
      and(
        eq(graves.artifactId, ref.artifactId),
        eq(graves.field, ref.field),
        eq(graves.key, ref.key),
        ne(graves.caller, EVERYBODY),
        eq(graves.anew, true),
      ),
    );
}

async function upsert(tx: Queries, batch: readonly Grave[]): Promise<void> {
  const values = batch.map(({ ref, caller, anew }) => ({ ...ref, caller, anew }));
  await tx
    .insert(graves)
    .values(values.map(({ artifactId, field, key, caller, anew }) => ({ artifactId, field, key, caller, anew })))
    .onConflictDoUpdate({
      target: [graves.artifactId, graves.field, graves.key, graves.caller],
      set: { anew: sql`excluded.anew`, writtenAt: sql`clock_timestamp()` },
    });
}

function keyOf({ ref, caller }: Grave): string {
  return JSON.stringify([ref.artifactId, ref.field, ref.key, caller]);
}
