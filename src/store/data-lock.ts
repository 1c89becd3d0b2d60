import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CisternError } from "../domain/errors.ts";

/** https://www.sqlite.org/rescode.html: somebody else has the lock. */
const SQLITE_BUSY = 5;

/**
 * Locks a data directory for this process until disposal or the process's end, however that comes.
 * The lock is SQLite's on `<directory>/lock`: it is the kernel's, so that it holds across pid and
 * network namespaces and leaves nothing stale behind. `data-dir-locked` when another process has it.
 */
export function lockDataDir(directory: string): Disposable {
  const database = new DatabaseSync(join(directory, "lock"), { timeout: 0 });
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    if (!isBusy(error)) throw error;
    throw new CisternError(
      "data-dir-locked",
      "another Cistern process uses this data directory: stop that one, or set CISTERN_DATA_DIR to a directory of its own",
      { cause: error },
    );
  }
  return { [Symbol.dispose]: () => database.close() };
}

function isBusy(error: unknown): boolean {
  return error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
}
