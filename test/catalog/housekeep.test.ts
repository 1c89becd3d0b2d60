import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as delay } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import { PostgresContentLedger } from "../../src/catalog/content-ledger.ts";
import type { Database } from "../../src/catalog/database.ts";
import { housekeep } from "../../src/catalog/housekeep.ts";
import { migrate } from "../../src/catalog/migrate.ts";
import { openPglite } from "../../src/catalog/pglite/open-pglite.ts";
import { Session } from "../../src/catalog/session.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";

const MIB = 1024 * 1024;
const never = new AbortController().signal;

interface Opened {
  readonly directory: { readonly path: string } & AsyncDisposable;
  readonly database: Database;
  readonly session: Session;
}

let opened: Opened | undefined;

function under(): Opened {
  if (opened === undefined) throw new Error("the catalog is not open");
  return opened;
}

beforeAll(async () => {
  const directory = await temporaryDirectory();
  const database = await openPglite(join(directory.path, "catalog"), 60_000);
  await migrate(database);
  opened = { directory, database, session: new Session(database, 30_000) };
});

afterAll(async () => {
  await opened?.database.close();
  await opened?.directory[Symbol.asyncDispose]();
});

/** Contents `from` to `to`, admitted; no port writes so many at once. */
async function insertContents(from: number, to: number): Promise<void> {
  await under().session.query((db) =>
    db.execute(sql`
      insert into contents (sha256, fence, size, state)
      select encode(sha256(n::text::bytea), 'hex'), n, 1, 'admitted'
      from generate_series(${from}::int, ${to}::int) n`),
  );
}

async function number(query: ReturnType<typeof sql>): Promise<number> {
  const [row] = await under().session.query((db) => db.execute<{ value: unknown }>(query));
  return Number(row?.value);
}

const relationSize = () => number(sql`select pg_total_relation_size('contents') as value`);

async function logSize(): Promise<number> {
  const path = join(under().directory.path, "catalog", "pg_wal");
  const entries = await readdir(path, { withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile());
  const sizes = await Promise.all(files.map(async (file) => (await stat(join(path, file.name))).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

test("log, dead rows and statistics stay bounded under 100,000 writes", { timeout: 240_000 }, async () => {
  const { session } = under();
  const rows = 5_000;
  const rounds = 20;
  await insertContents(1, rows);
  await housekeep(session, never);
  const digests = await session.query((db) => db.execute<{ sha256: string }>(sql`select sha256 from contents`));
  const ledger = new PostgresContentLedger(session);
  const fresh = await relationSize();
  let grown = 0;
  for (let round = 1; round <= rounds; round += 1) {
    const at = new Date(Date.now() + round * 1000);
    await ledger.touch(new Map(digests.map((row) => [sha256(row.sha256), { at, count: 1 }])));
    await housekeep(session, never);
    if (round === rounds / 2) grown = await relationSize();
  }
  // Each write leaves a dead row; without their removal there would be twenty times the rows.
  expect(await relationSize()).toBeLessThan(fresh * 4);
  // And it grows no further.
  expect(await relationSize()).toBeLessThanOrEqual(grown * 1.1);
  expect(await logSize()).toBeLessThanOrEqual(96 * MIB);
  expect(await number(sql`select reltuples as value from pg_class where relname = 'contents'`)).toBe(rows);
  const known = sql`select count(*) as value from pg_stats where tablename = 'contents' and attname = 'last_read_at'`;
  expect(await number(known)).toBe(1);
});

test("the main thread goes on while 100,000 rows are kept", { timeout: 240_000 }, async () => {
  const { session } = under();
  for (let from = 1_000_001; from < 1_100_000; from += 20_000) {
    const rows = sql`fence between ${from} and ${from + 19_999}`;
    await insertContents(from, from + 19_999);
    await session.query((db) => db.execute(sql`update contents set last_read_at = clock_timestamp() where ${rows}`));
  }
  const delays = monitorEventLoopDelay({ resolution: 5 });
  delays.enable();
  const began = performance.now();
  await housekeep(session, never);
  const lasted = performance.now() - began;
  delays.disable();
  // It was work: on the main thread each step would have been one long stop. The single worst delay
  // belongs to the machine when it has other work, hence the room that it is given.
  expect(lasted).toBeGreaterThan(200);
  expect(delays.percentile(99) / 1e6).toBeLessThan(100);
  expect(delays.max / 1e6).toBeLessThan(250);
});

test("it stops between two steps when it is told to", async () => {
  const stop = new AbortController();
  const kept = housekeep(under().session, stop.signal);
  stop.abort(new Error("enough"));
  await expect(kept).rejects.toThrow("enough");
  await delay(0);
  expect(await number(sql`select 1 as value`)).toBe(1);
});
