import { sql } from "drizzle-orm";
import { type AnyPgColumn, bigint, boolean, check, index, jsonb, pgTable, text, unique } from "drizzle-orm/pg-core";
import type { JsonObject } from "../domain/json.ts";
import { key, time } from "./columns.ts";
import { blobs } from "./schema.ts";

/** Work on many contents that takes its time: purges, scrubs, single verifications. Any replica may go on with it. */
export const tasks = pgTable(
  "tasks",
  {
    id: key("id").primaryKey(),
    kind: text("kind", { enum: ["purge", "scrub", "scrub-hot", "verify"] }).notNull(),
    /** The task that this one is a part of. */
    parent: key("parent").references((): AnyPgColumn => tasks.id, { onDelete: "cascade" }),
    /** The replica that must do it; null: any. */
    place: key("place"),
    query: jsonb("query").$type<JsonObject>().notNull(),
    state: text("state", { enum: ["queued", "running", "done", "failed", "cancelled"] })
      .notNull()
      .default("queued"),
    cancelRequested: boolean("cancel_requested").notNull().default(false),
    /** What its next holder goes on from. */
    progress: jsonb("progress").$type<JsonObject>().notNull().default({}),
    result: jsonb("result").$type<JsonObject>(),
    error: text("error"),
    createdBy: text("created_by").notNull(),
    createdAt: time("created_at").notNull().default(sql`clock_timestamp()`),
    startedAt: time("started_at"),
    finishedAt: time("finished_at"),
    holder: key("holder"),
    /** By the database's clock alone. */
    heldUntil: time("held_until"),
  },
  (t) => [
    unique("tasks_parent_place").on(t.parent, t.place),
    index("tasks_created").on(t.createdAt, t.id).where(sql`parent is null`),
    index("tasks_open").on(t.kind, t.createdAt).where(sql`state in ('queued', 'running')`),
    check("tasks_kind", sql`kind in ('purge', 'scrub', 'scrub-hot', 'verify')`),
    check("tasks_state", sql`state in ('queued', 'running', 'done', 'failed', 'cancelled')`),
    check("tasks_held", sql`(state = 'running') = (holder is not null) and (holder is null) = (held_until is null)`),
    check("tasks_finished", sql`(state in ('queued', 'running')) = (finished_at is null)`),
  ],
);

/** What an origin said when it was asked last whether it still delivers what is recorded. */
export const locationChecks = pgTable(
  "location_checks",
  {
    blobId: key("blob_id")
      .primaryKey()
      .references(() => blobs.id, { onDelete: "cascade" }),
    /** What was asked: a URL that was replaced since says nothing. */
    url: text("url").notNull(),
    checkedAt: time("checked_at").notNull().default(sql`clock_timestamp()`),
    /** False: it certainly delivers other bytes, or none, from now on. */
    delivers: boolean("delivers").notNull(),
    size: bigint("size", { mode: "number" }),
    validator: text("validator"),
  },
  () => [],
);
