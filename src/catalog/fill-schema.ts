import { sql } from "drizzle-orm";
import { bigint, check, index, integer, jsonb, pgTable, smallint, text, uniqueIndex } from "drizzle-orm/pg-core";
import { FILL_KINDS, FILL_REASONS, FILL_STATES, type QueryState } from "../domain/fill-entry.ts";
import { key, time } from "./columns.ts";

/** One waiting or running prefetch per blob. */
export const WAITS = sql.raw("kind = 'prefetch' and state in ('queued', 'running')");
/** One failure of demand per blob. */
export const DEMAND_FAILED = sql.raw("kind = 'demand' and state = 'failed'");

/** What is to be fetched before anybody reads it, what became of it, and what failed when somebody did. */
export const fills = pgTable(
  "fills",
  {
    id: key("id").primaryKey(),
    kind: text("kind", { enum: FILL_KINDS }).notNull(),
    state: text("state", { enum: FILL_STATES }).notNull(),
    priority: smallint("priority").notNull(),
    /** The query that it is a part of: no reference, for either may be forgotten first. */
    parent: key("parent"),
    // The blob's place, no reference: what became of it outlives the record. Empty: a query's.
    artifactId: key("artifact_id").notNull(),
    field: key("field").notNull(),
    key: key("key").notNull(),
    /** Type and name of the artifact as they were when it was asked for. */
    type: key("type").notNull(),
    name: key("name").notNull(),
    /** The URL, masked. */
    source: text("source").notNull(),
    origin: key("origin").notNull(),
    /** The artifact's owner. */
    project: key("project").notNull(),
    askedBy: key("asked_by").notNull(),
    via: text("via", { enum: FILL_REASONS }).notNull(),
    query: jsonb("query").$type<QueryState>(),
    notBefore: time("not_before"),
    deadline: time("deadline"),
    pinFor: bigint("pin_for_ms", { mode: "number" }),
    /** When it is its turn, by the database's clock. */
    readyAt: time("ready_at").notNull().default(sql`clock_timestamp()`),
    attempts: integer("attempts").notNull().default(0),
    holder: key("holder"),
    /** By the database's clock: past it, it is anybody's. */
    claimedUntil: time("claimed_until"),
    cancel: text("cancel", { enum: ["asked", "forced"] }),
    bytes: bigint("bytes", { mode: "number" }).notNull().default(0),
    total: bigint("total", { mode: "number" }),
    rate: bigint("rate", { mode: "number" }).notNull().default(0),
    followers: integer("followers").notNull().default(0),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    createdAt: time("created_at").notNull().default(sql`clock_timestamp()`),
    startedAt: time("started_at"),
    endedAt: time("ended_at"),
  },
  (t) => [
    uniqueIndex("fills_blob_waits").on(t.artifactId, t.field, t.key).where(WAITS),
    uniqueIndex("fills_blob_failed").on(t.artifactId, t.field, t.key).where(DEMAND_FAILED),
    index("fills_next")
      .on(t.kind, t.project, t.priority.desc().nullsFirst(), t.createdAt, t.id)
      .where(sql`state = 'queued'`),
    index("fills_running").on(t.holder).where(sql`state = 'running'`),
    index("fills_deadline").on(t.deadline).where(sql`state = 'queued' and deadline is not null`),
    index("fills_parent").on(t.parent, t.state).where(sql`parent is not null`),
    index("fills_ended_at").on(t.endedAt, t.id).where(sql`ended_at is not null`),
    index("fills_created").on(t.createdAt, t.id),
    index("fills_project_created").on(t.project, t.createdAt, t.id),
    index("fills_state_created").on(t.state, t.createdAt, t.id),
    index("fills_origin_created").on(t.origin, t.createdAt, t.id),
    index("fills_artifact_created").on(t.artifactId, t.createdAt, t.id),
    index("fills_kind_created").on(t.kind, t.createdAt, t.id),
    index("fills_replica_created").on(sql`split_part(holder, '#', 1)`, t.createdAt, t.id),
    check("fills_kind", sql`kind in ('prefetch', 'query', 'demand')`),
    check("fills_state", sql`state in ('queued', 'running', 'done', 'failed', 'cancelled')`),
    check("fills_priority", sql`priority between 0 and 9`),
    check("fills_cancel", sql`cancel in ('asked', 'forced')`),
    check("fills_claimed", sql`(state = 'running') = (claimed_until is not null)`),
    check("fills_ended", sql`(state in ('done', 'failed', 'cancelled')) = (ended_at is not null)`),
    check("fills_query", sql`(kind = 'query') = (query is not null)`),
  ],
);
