import { sql } from "drizzle-orm";
import { check, integer, pgTable, text, timestamp } from "drizzle-orm/pg-core";

/** The policies that the deployment has had; the newest is in force. */
export const policies = pgTable(
  "policies",
  {
    version: integer("version").primaryKey(),
    /** JSON as text: its members keep their order. */
    document: text("document").notNull(),
    madeBy: text("made_by").notNull(),
    madeAt: timestamp("made_at", { withTimezone: true, mode: "date" }).notNull().default(sql`clock_timestamp()`),
    note: text("note").notNull().default(""),
  },
  () => [check("policies_version", sql`version > 0`), check("policies_document", sql`document::json is not null`)],
);
