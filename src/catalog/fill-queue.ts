import { and, count, eq, inArray, sql } from "drizzle-orm";
import { CisternError } from "../domain/errors.ts";
import type { FillEntry, FillId, NewFill, Tally } from "../domain/fill-entry.ts";
import type { FillListQuery, FillPage, FillQueue } from "../domain/fill-queue.ts";
import { cancelFill } from "./cancel-fill.ts";
import { fillId, fillOf, newRow } from "./fill-row.ts";
import { fills, WAITS } from "./fill-schema.ts";
import { listFills } from "./list-fills.ts";
import type { Queries, Session } from "./session.ts";

const BLOB = [fills.artifactId, fills.field, fills.key];
const NOTHING: Tally = { queued: 0, running: 0, done: 0, failed: 0, cancelled: 0 };

export class PostgresFillQueue implements FillQueue {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async add(fill: NewFill): Promise<{ readonly fill: FillEntry; readonly fresh: boolean }> {
    const [row] = await this.#session.query((db) => upsert(db, fill));
    if (row === undefined) throw new CisternError("internal", "the prefetch was not written");
    return { fill: fillOf(row), fresh: row.id === fill.id };
  }

  async addMissing(wanted: readonly NewFill[]): Promise<number> {
    const [first] = wanted;
    if (first === undefined) return 0;
    const parent = first.parent;
    return await this.#session.transaction(async (tx) => {
      if (parent !== undefined && !(await isOpen(tx, parent))) return 0;
      const added = await tx
        .insert(fills)
        .values(wanted.map(newRow))
        .onConflictDoNothing({ target: BLOB, where: WAITS })
        .returning({ id: fills.id });
      return added.length;
    });
  }

  async find(id: FillId): Promise<FillEntry | undefined> {
    const [row] = await this.#session.lookUp((db) => db.select().from(fills).where(eq(fills.id, id)));
    return row === undefined ? undefined : fillOf(row);
  }

  list(query: FillListQuery): Promise<FillPage> {
    return this.#session.query((db) => listFills(db, query));
  }

  cancel(id: FillId, force: boolean): Promise<FillEntry | undefined> {
    return this.#session.transaction((tx) => cancelFill(tx, id, force));
  }

  async tally(queries: readonly FillId[]): Promise<ReadonlyMap<FillId, Tally>> {
    const tallies = new Map<FillId, Tally>(queries.map((id) => [id, NOTHING]));
    if (queries.length === 0) return tallies;
    const rows = await this.#session.query((db) =>
      db
        .select({ parent: fills.parent, state: fills.state, n: count() })
        .from(fills)
        .where(inArray(fills.parent, [...queries]))
        .groupBy(fills.parent, fills.state),
    );
    for (const { parent, state, n } of rows) {
      if (parent === null) continue;
      const id = fillId(parent);
      tallies.set(id, { ...(tallies.get(id) ?? NOTHING), [state]: n });
    }
    return tallies;
  }
}

/** One statement: of two that ask at once one inserts, the other is given that row. */
function upsert(db: Queries, fill: NewFill) {
  const waiting = sql`${fills.state} = 'queued'`;
  const inserted = db.insert(fills).values(newRow(fill));
  if (fill.kind === "query") return inserted.returning();
  return inserted
    .onConflictDoUpdate({
      target: BLOB,
      targetWhere: WAITS,
      set: {
        priority: sql`case when ${waiting} then greatest(${fills.priority}, excluded.priority) else ${fills.priority} end`,
        readyAt: sql`case when ${waiting} then least(${fills.readyAt}, excluded.ready_at) else ${fills.readyAt} end`,
        notBefore: sql`case when ${fills.notBefore} is null or excluded.not_before is null then null else least(${fills.notBefore}, excluded.not_before) end`,
        deadline: sql`case when ${fills.deadline} is null or excluded.deadline is null then null else greatest(${fills.deadline}, excluded.deadline) end`,
        pinFor: sql`greatest(${fills.pinFor}, excluded.pin_for_ms)`,
      },
    })
    .returning();
}

/** Whether a query goes on; it is not cancelled before the transaction ends. */
async function isOpen(tx: Queries, query: FillId): Promise<boolean> {
  const [row] = await tx
    .select({ id: fills.id })
    .from(fills)
    .where(and(eq(fills.id, query), sql`${fills.endedAt} is null`))
    .for("share");
  return row !== undefined;
}
