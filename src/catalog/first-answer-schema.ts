import { sql } from "drizzle-orm";
import { index, pgTable, text, timestamp } from "drizzle-orm/pg-core";
import { key } from "./columns.ts";

/** What requests with an `Idempotency-Key` were answered first. */
export const firstAnswers = pgTable(
  "first_answers",
  {
    /** A hash of the caller's secret and its key. */
    key: key("key").primaryKey(),
    fingerprint: text("fingerprint").notNull(),
    /** Whose turn it is to answer. */
    claim: text("claim").notNull(),
    /** Sealed with the caller's secret; null: it is under way. */
    answer: text("answer"),
    claimedAt: timestamp("claimed_at", { withTimezone: true, mode: "date" }).notNull().default(sql`clock_timestamp()`),
  },
  (t) => [index("first_answers_claimed").on(t.claimedAt)],
);
