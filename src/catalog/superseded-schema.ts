import { sql } from "drizzle-orm";
import { bigint, pgTable, primaryKey, timestamp } from "drizzle-orm/pg-core";
import { key } from "./columns.ts";

/**
 * Objects whose content lies under another one by now: kept by a trigger on contents, until the object is
 * removed. It may still have readers, who opened it before.
 */
export const superseded = pgTable(
  "superseded",
  {
    sha256: key("sha256").notNull(),
    fence: bigint("fence", { mode: "number" }).notNull(),
    /** Bytes. */
    size: bigint("size", { mode: "number" }).notNull(),
    supersededAt: timestamp("superseded_at", { withTimezone: true, mode: "date" })
      .notNull()
      .default(sql`clock_timestamp()`),
  },
  (t) => [primaryKey({ name: "superseded_key", columns: [t.sha256, t.fence] })],
);
