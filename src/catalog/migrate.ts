import { fileURLToPath } from "node:url";
import { drizzle } from "drizzle-orm/postgres-js";
import { migrate as applyMigrations } from "drizzle-orm/postgres-js/migrator";
import type { Database } from "./database.ts";
import { translate } from "./translate-error.ts";

const MIGRATIONS = fileURLToPath(new URL("../../drizzle", import.meta.url));
/** Any number that no other advisory lock of this schema has. */
const LOCK = 0x63697374;

/** Brings the schema up to date; replicas that start together do it one after the other. */
export async function migrate(database: Database): Promise<void> {
  try {
    if (database.embedded) {
      await applyMigrations(drizzle(database.sql), { migrationsFolder: MIGRATIONS });
      return;
    }
    // The migrator takes no lock of its own; this one is held by a session beside it.
    const holder = await database.sql.reserve();
    try {
      await holder`select pg_advisory_lock(${LOCK})`;
      await applyMigrations(drizzle(database.sql), { migrationsFolder: MIGRATIONS });
    } finally {
      await holder`select pg_advisory_unlock(${LOCK})`;
      holder.release();
    }
  } catch (error) {
    throw translate(error);
  }
}
