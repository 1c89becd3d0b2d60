import { sql } from "drizzle-orm";
import {
  bigint,
  check,
  date,
  index,
  integer,
  jsonb,
  pgTable,
  primaryKey,
  text,
  timestamp,
  unique,
} from "drizzle-orm/pg-core";
import type { JsonValue } from "../domain/json.ts";
import { key } from "./columns.ts";

/** So much of an object's name is in the index: a URL may be longer than an index row may be. */
export const INDEXED = 200;

/** Append-only: triggers refuse every change but retention's. */
export const audit = pgTable(
  "audit",
  {
    id: bigint("id", { mode: "number" }).primaryKey().generatedByDefaultAsIdentity(),
    entry: key("entry").notNull(),
    /** To the millisecond, as a cursor can say it. */
    at: timestamp("at", { withTimezone: true, mode: "date", precision: 3 }).notNull(),
    kind: text("kind", { enum: ["change", "egress"] }).notNull(),
    actor: key("actor").notNull(),
    actorName: text("actor_name"),
    project: key("project").notNull(),
    roles: text("roles").array().notNull(),
    address: key("address").notNull(),
    action: key("action").notNull(),
    object: key("object").notNull(),
    before: jsonb("before").$type<JsonValue>(),
    after: jsonb("after").$type<JsonValue>(),
  },
  (t) => [
    unique("audit_entry").on(t.entry),
    index("audit_at").on(t.at, t.id),
    // Requests that leave are many more than changes.
    index("audit_changes").on(t.at, t.id).where(sql`kind = 'change'`),
    index("audit_actor").on(t.actor, t.at, t.id),
    index("audit_project").on(t.project, t.at, t.id),
    index("audit_address").on(t.address, t.at, t.id),
    index("audit_action").on(t.action, t.at, t.id),
    index("audit_object").on(sql`left(object, ${sql.raw(String(INDEXED))})`, t.at, t.id),
    check("audit_kind", sql`kind in ('change', 'egress')`),
  ],
);

/** What projects may, where it differs from what the deployment says. -1: without limit. */
export const quotas = pgTable(
  "quotas",
  {
    project: key("project").primaryKey(),
    fetchedBytesPerDay: bigint("fetched_bytes_per_day", { mode: "number" }),
    concurrentFills: integer("concurrent_fills"),
  },
  () => [
    check("quotas_fetched", sql`fetched_bytes_per_day >= -1`),
    check("quotas_fills", sql`concurrent_fills >= -1`),
    check("quotas_any", sql`coalesce(fetched_bytes_per_day, concurrent_fills) is not null`),
  ],
);

/** Bytes that projects had fetched, day by day (UTC). */
export const egressUse = pgTable(
  "egress_use",
  {
    project: key("project").notNull(),
    day: date("day").notNull(),
    bytes: bigint("bytes", { mode: "number" }).notNull(),
  },
  (t) => [
    primaryKey({ name: "egress_use_day_project", columns: [t.day, t.project] }),
    check("egress_use_bytes", sql`bytes >= 0`),
  ],
);
