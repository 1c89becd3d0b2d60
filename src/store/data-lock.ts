import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { CisternError } from "../domain/errors.ts";

/** https://www.sqlite.org/rescode.html: somebody else has the lock. */
const SQLITE_BUSY = 5;

/**
 * Locks a data directory for this process until disposal or the process's end, however that comes.
 * The lock is SQLite's on `<directory>/lock`: it is the kernel's, so that it holds across pid and
 * network namespaces and leaves nothing stale behind. `data-dir-locked` when another process has
 * it, `invalid-config` when it cannot be locked at all.
 */
export function lockDataDir(directory: string): Disposable {
  const database = open(join(directory, "lock"));
  try {
    database.exec("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE");
  } catch (error) {
    database.close();
    throw refusal(error);
  }
  return { [Symbol.dispose]: () => database.close() };
}

function open(path: string): DatabaseSync {
  try {
    return new DatabaseSync(path, { timeout: 0 });
  } catch (error) {
    throw refusal(error);
  }
}

function refusal(error: unknown): CisternError {
  const busy = error instanceof Error && "errcode" in error && error.errcode === SQLITE_BUSY;
  if (busy) {
    return new CisternError(
      "data-dir-locked",
      "another Cistern process uses this data directory: stop that one, or set CISTERN_DATA_DIR to a directory of its own",
      { cause: error },
    );
  }
  return new CisternError(
    "invalid-config",
    "CISTERN_DATA_DIR: cannot be locked; it must be a directory that this user may write, on a file system with locks",
    { cause: error },
  );
}
