import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { sql } from "drizzle-orm";
import { readMigrationFiles } from "drizzle-orm/migrator";
import { z } from "zod";
import { CisternError } from "../domain/errors.ts";
import type { Database, Queries } from "./database.ts";
import { translate } from "./translate-error.ts";

const FOLDER = fileURLToPath(new URL("../../drizzle", import.meta.url));
/** Any number that no other advisory lock of this schema has. */
const LOCK = 0x63697374;

/** Where drizzle-kit's own migrator keeps what it has done. */
const DONE = sql`drizzle.__drizzle_migrations`;

const journalSchema = z.object({ entries: z.array(z.object({ tag: z.string(), when: z.number() })) });

interface Migration {
  readonly name: string;
  /** Orders them: milliseconds since the epoch. */
  readonly when: number;
  readonly hash: string;
  readonly statements: readonly string[];
}

/**
 * Brings the schema up to date; replicas that start together do it one after the other. Answers the
 * names of the migrations that it applied. `invalid-config` when the schema is a later version's.
 *
 * @param onApply told the name of each migration before it is applied; none stands until all do
 */
export async function migrate(
  database: Pick<Database, "transaction">,
  onApply: (name: string) => void = () => undefined,
): Promise<readonly string[]> {
  const known = readMigrations();
  const noLimit = new AbortController().signal;
  try {
    return await database.transaction((tx) => applyMissing(tx, known, onApply), noLimit);
  } catch (error) {
    throw translate(error);
  }
}

/** In one transaction, which holds the lock: a process that dies leaves neither a lock nor half a schema. */
async function applyMissing(
  tx: Queries,
  known: readonly Migration[],
  onApply: (name: string) => void,
): Promise<readonly string[]> {
  await tx.execute(sql`select pg_advisory_xact_lock(${LOCK})`);
  const last = await lastApplied(tx);
  if (last > Math.max(...known.map(({ when }) => when))) throw tooNew();
  const missing = known.filter(({ when }) => when > last);
  for (const { name, when, hash, statements } of missing) {
    onApply(name);
    for (const statement of statements) await tx.execute(sql.raw(statement));
    await tx.execute(sql`insert into ${DONE} (hash, created_at) values (${hash}, ${when})`);
  }
  return missing.map(({ name }) => name);
}

/** The time of the migration that was applied last; 0 for an empty database. */
async function lastApplied(tx: Queries): Promise<number> {
  // Looked for first: making what is there needs rights that nothing else needs.
  const [found] = await tx.execute<{ there: boolean }>(
    sql`select to_regclass('drizzle.__drizzle_migrations') is not null as there`,
  );
  if (found?.there !== true) {
    await tx.execute(sql`create schema if not exists drizzle`);
    await tx.execute(sql`create table ${DONE} (id serial primary key, hash text not null, created_at bigint)`);
    return 0;
  }
  const [row] = await tx.execute<{ last: string }>(sql`select coalesce(max(created_at), 0) as last from ${DONE}`);
  return Number(row?.last ?? 0);
}

function readMigrations(): readonly Migration[] {
  const { entries } = journalSchema.parse(JSON.parse(readFileSync(join(FOLDER, "meta", "_journal.json"), "utf8")));
  const names = new Map(entries.map(({ when, tag }) => [when, tag]));
  return readMigrationFiles({ migrationsFolder: FOLDER }).map((file) => ({
    name: names.get(file.folderMillis) ?? file.hash,
    when: file.folderMillis,
    hash: file.hash,
    statements: file.sql,
  }));
}

function tooNew(): CisternError {
  return new CisternError(
    "invalid-config",
    "The catalog's schema is newer than this version of Cistern: start the version that made it, or a later one",
  );
}
