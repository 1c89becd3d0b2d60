import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { PGlite } from "@electric-sql/pglite";
import { SyncedFilesystem, syncPath } from "./synced-filesystem.ts";

type Fatal = (reason: unknown) => never;

const SETTINGS = {
  search_path: "public",
  exit_on_error: "false",
  log_checkpoints: "false",
  max_worker_processes: "0",
  max_parallel_workers: "0",
  max_parallel_workers_per_gather: "0",
  max_parallel_maintenance_workers: "0",
  io_method: "sync",
  fsync: "on",
  synchronous_commit: "on",
  full_page_writes: "on",
  // Only fsync reaches the disk from inside (see SyncedFilesystem).
  wal_sync_method: "fsync",
  shared_buffers: "16MB",
  // Nobody replicates from it. A checkpoint writes a file for each kind of replication, and
  // Postgres gives up when that fails on a full disk.
  wal_level: "minimal",
  max_wal_senders: "0",
  max_replication_slots: "0",
  max_active_replication_origins: "0",
  // What a checkpoint keeps of the log for use again: on a full disk it is all that there is, and
  // Postgres gives up without.
  min_wal_size: "64MB",
  max_wal_size: "64MB",
  statement_timeout: "0",
  // Nobody listens: the schema's triggers have nobody to tell.
  "cistern.embedded": "on",
};

const SEGMENT_MIB = 4;
const RESERVED_SEGMENTS = 4;

// As PGlite starts it, but without -F, which turns fsync off.
const START = [
  "--single",
  "-O",
  "-j",
  ...Object.entries(SETTINGS).flatMap(([name, value]) => ["-c", `${name}=${value}`]),
];

/** Starts Postgres over `directory`, which is made first when there is none. */
export async function openCluster(directory: string, fatal: Fatal): Promise<PGlite> {
  if (!existsSync(join(directory, "PG_VERSION"))) await createCluster(directory, fatal);
  return start(directory, fatal);
}

/**
 * Makes the directory aside and moves it into place when it is whole and synced: a power cut
 * in between leaves nothing that looks like a catalog.
 */
async function createCluster(directory: string, fatal: Fatal): Promise<void> {
  const making = `${directory}.making`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true, mode: 0o700 });
  const pg = await start(making, fatal);
  await reserveLog(pg);
  await pg.close();
  syncTree(making);
  // Fails when the place is taken by something that is not empty.
  renameSync(making, directory);
  syncPath(dirname(directory));
}

/** Fills segments of the log for nothing, which the checkpoint keeps to be used again. */
async function reserveLog(pg: PGlite): Promise<void> {
  for (let segment = 0; segment < RESERVED_SEGMENTS; segment += 1) {
    await pg.exec("select pg_logical_emit_message(false, 'reserve', ''); select pg_switch_wal()");
  }
  await pg.exec("checkpoint");
}

function start(directory: string, fatal: Fatal): Promise<PGlite> {
  return PGlite.create({
    fs: new SyncedFilesystem(directory, fatal),
    startParams: START,
    initDbStartParams: [`--wal-segsize=${SEGMENT_MIB}`],
  });
}

function syncTree(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) syncTree(path);
    else syncPath(path);
  }
  syncPath(directory);
}
