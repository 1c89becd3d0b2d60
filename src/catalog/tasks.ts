import { randomUUID } from "node:crypto";
import { and, asc, desc, eq, inArray, isNull, lt, or, type SQL, sql } from "drizzle-orm";
import { CisternError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import type { NewTask, TaskEnd, TaskFilter, TaskId, TaskKind, TaskRecord, Tasks, TaskWork } from "../domain/tasks.ts";
import type { Session } from "./session.ts";
import { tasks } from "./task-schema.ts";

type TaskRow = typeof tasks.$inferSelect;

const OPEN = inArray(tasks.state, ["queued", "running"]);
const within = (milliseconds: number) => sql`clock_timestamp() + ${milliseconds} * interval '1 millisecond'`;

export class PostgresTasks implements Tasks, TaskWork {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async create({ kind, query, createdBy, parent, place }: NewTask): Promise<TaskRecord> {
    const values = { id: randomUUID(), kind, query, createdBy, parent: parent ?? null, place: place ?? null };
    const [row] = await this.#session.query((db) => db.insert(tasks).values(values).onConflictDoNothing().returning());
    if (row !== undefined) return taskOf(row);
    const [known] = await this.#session.query((db) =>
      db
        .select()
        .from(tasks)
        .where(and(eq(tasks.parent, parent ?? ""), eq(tasks.place, place ?? ""))),
    );
    if (known === undefined) throw new CisternError("internal", "a task was neither written nor there");
    return taskOf(known);
  }

  async find(id: TaskId): Promise<TaskRecord | undefined> {
    const [row] = await this.#session.query((db) => db.select().from(tasks).where(eq(tasks.id, id)));
    return row === undefined ? undefined : taskOf(row);
  }

  async list(filter: TaskFilter, limit: number, after: TaskId | undefined): Promise<readonly TaskRecord[]> {
    const rows = await this.#session.query((db) =>
      db
        .select()
        .from(tasks)
        .where(
          and(
            filter.parent === undefined ? isNull(tasks.parent) : eq(tasks.parent, filter.parent),
            inArray(tasks.kind, [...filter.kinds]),
            filter.state === undefined ? undefined : eq(tasks.state, filter.state),
            after === undefined ? undefined : behind(after),
          ),
        )
        .orderBy(desc(tasks.createdAt), desc(tasks.id))
        .limit(limit),
    );
    return rows.map(taskOf);
  }

  async cancel(id: TaskId): Promise<TaskRecord | undefined> {
    const queued = sql`${tasks.state} = 'queued'`;
    const [row] = await this.#session.query((db) =>
      db
        .update(tasks)
        .set({
          cancelRequested: true,
          state: sql`case when ${queued} then 'cancelled' else ${tasks.state} end`,
          finishedAt: sql`case when ${queued} then clock_timestamp() end`,
        })
        .where(and(or(eq(tasks.id, id), eq(tasks.parent, id)), OPEN))
        .returning({ id: tasks.id }),
    );
    return row === undefined ? undefined : this.find(id);
  }

  async expire(milliseconds: number): Promise<void> {
    const before = sql`clock_timestamp() - ${milliseconds} * interval '1 millisecond'`;
    await this.#session.query((db) => db.delete(tasks).where(and(isNull(tasks.parent), lt(tasks.finishedAt, before))));
  }

  async claim(kind: TaskKind, place: string, holder: string, milliseconds: number): Promise<TaskRecord | undefined> {
    const free = or(eq(tasks.state, "queued"), sql`${tasks.heldUntil} <= clock_timestamp()`, eq(tasks.holder, holder));
    const [row] = await this.#session.query((db) => {
      const next = db
        .select({ id: tasks.id })
        .from(tasks)
        .where(and(eq(tasks.kind, kind), OPEN, or(isNull(tasks.place), eq(tasks.place, place)), free))
        .orderBy(asc(tasks.createdAt), asc(tasks.id))
        .limit(1)
        .for("update", { skipLocked: true });
      return db
        .update(tasks)
        .set({
          state: "running",
          holder,
          heldUntil: within(milliseconds),
          startedAt: sql`coalesce(${tasks.startedAt}, clock_timestamp())`,
        })
        .where(inArray(tasks.id, next))
        .returning();
    });
    return row === undefined ? undefined : taskOf(row);
  }

  async report(
    id: TaskId,
    holder: string,
    progress: JsonObject,
    milliseconds: number,
  ): Promise<"held" | "cancel" | "lost"> {
    const [row] = await this.#session.query((db) =>
      db
        .update(tasks)
        .set({ progress, heldUntil: within(milliseconds) })
        .where(held(id, holder))
        .returning({ cancel: tasks.cancelRequested }),
    );
    if (row === undefined) return "lost";
    return row.cancel ? "cancel" : "held";
  }

  async finish(id: TaskId, holder: string, end: TaskEnd): Promise<boolean> {
    const ended = await this.#session.query((db) =>
      db
        .update(tasks)
        .set({
          state: end.state,
          finishedAt: sql`clock_timestamp()`,
          holder: null,
          heldUntil: null,
          ...(end.state === "failed" ? { error: end.error } : { result: end.result }),
        })
        .where(held(id, holder))
        .returning({ id: tasks.id }),
    );
    return ended.length > 0;
  }

  async release(id: TaskId, holder: string): Promise<void> {
    await this.#session.query((db) =>
      db.update(tasks).set({ state: "queued", holder: null, heldUntil: null }).where(held(id, holder)),
    );
  }
}

function held(id: TaskId, holder: string): SQL | undefined {
  return and(eq(tasks.id, id), eq(tasks.state, "running"), eq(tasks.holder, holder));
}

/** Older than this one; by the row itself, for a date of JavaScript's has no microseconds. */
function behind(id: TaskId): SQL {
  return sql`(${tasks.createdAt}, ${tasks.id}) < (select created_at, id from ${tasks} where id = ${id})`;
}

function taskOf(row: TaskRow): TaskRecord {
  return {
    id: row.id as TaskId,
    kind: row.kind,
    parent: row.parent === null ? undefined : (row.parent as TaskId),
    place: row.place ?? undefined,
    query: row.query,
    state: row.state,
    cancelRequested: row.cancelRequested,
    progress: row.progress,
    result: row.result ?? undefined,
    error: row.error ?? undefined,
    createdBy: row.createdBy,
    createdAt: row.createdAt,
    startedAt: row.startedAt ?? undefined,
    finishedAt: row.finishedAt ?? undefined,
    holder: row.holder ?? undefined,
  };
}
