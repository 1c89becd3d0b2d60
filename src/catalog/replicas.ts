import { asc, eq, sql } from "drizzle-orm";
import type { ObjectName } from "../domain/content.ts";
import { CisternError } from "../domain/errors.ts";
import type { Replica, ReplicaReport, Replicas } from "../domain/replica.ts";
import { replicas } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

/** A replica that was not heard of for so long has no readers any more, as far as eviction is concerned. */
const LIVE_MS = 60_000;
const FORGET_MS = 24 * 3600 * 1000;

const ago = (milliseconds: number) => sql`clock_timestamp() - ${milliseconds} * interval '1 millisecond'`;

export class PostgresReplicas implements Replicas {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async heartbeat(holder: string, open: readonly ObjectName[], report: ReplicaReport): Promise<number> {
    const openObjects = open.map((object) => `${object.sha256}/${object.fence}`);
    const [row] = await this.#session.query((db) =>
      db
        .with(db.$with("gone").as(forgotten(db, holder)))
        .insert(replicas)
        .values({ holder, openObjects, report })
        .onConflictDoUpdate({ target: replicas.holder, set: { openObjects, report, seenAt: sql`clock_timestamp()` } })
        .returning({ seenAt: replicas.seenAt }),
    );
    if (row === undefined) throw new CisternError("internal", "the heartbeat was not written");
    return row.seenAt.getTime();
  }

  async leave(holder: string): Promise<void> {
    await this.#session.query((db) => db.delete(replicas).where(eq(replicas.holder, holder)));
  }

  async alive(milliseconds: number): Promise<readonly Replica[]> {
    return await this.#session.query((db) =>
      db
        .select({
          holder: replicas.holder,
          startedAt: replicas.startedAt,
          seenAt: replicas.seenAt,
          report: replicas.report,
        })
        .from(replicas)
        .where(sql`${replicas.seenAt} > ${ago(milliseconds)}`)
        .orderBy(asc(replicas.startedAt), asc(replicas.holder)),
    );
  }
}

/** Rows that another replica is about to forget are left to it: two that wait for each other forget nothing. */
function forgotten(db: Queries, self: string) {
  const old = sql`(
    select ${replicas.holder} from ${replicas}
    where ${replicas.seenAt} < ${ago(FORGET_MS)} and ${replicas.holder} <> ${self}
    for update skip locked)`;
  return db.delete(replicas).where(sql`${replicas.holder} in ${old}`).returning({ holder: replicas.holder });
}

/** What the readers of living replicas have open, each as `sha256/fence`. */
export function openObjects(db: Queries) {
  return db
    .select({ object: sql`unnest(${replicas.openObjects})` })
    .from(replicas)
    .where(sql`${replicas.seenAt} > ${ago(LIVE_MS)}`);
}
