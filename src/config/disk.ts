import { readdirSync, statfsSync, statSync } from "node:fs";
import { dirname, join } from "node:path";
import { CisternError } from "../domain/errors.ts";

/** Room on the disk of a data directory, in bytes. */
export interface Disk {
  /** What is free for this user. */
  readonly free: number;
  /** What the data directory holds already. */
  readonly held: number;
}

export interface Shares {
  readonly cacheBytes: number;
  readonly spoolBytes: number;
}

/**
 * The limits when none are set: of what is free or Cistern's already, half for what is kept and a
 * fifth for fills in progress. A cache that has grown into its own limit finds the same limit at
 * its next start, and what others keep on the disk is not counted upon.
 */
export function sharesOf(disk: Disk): Shares {
  const ours = disk.free + disk.held;
  return { cacheBytes: Math.floor(ours / 2), spoolBytes: Math.floor(ours / 5) };
}

/** Measures the disk that a directory lies on, or will lie on. Walks the directory. */
export function diskOf(directory: string): Disk {
  for (let path = directory; ; path = dirname(path)) {
    try {
      const { bsize, bavail } = statfsSync(path);
      return { free: bsize * bavail, held: path === directory ? heldIn(directory) : 0 };
    } catch (error) {
      if (isAbsence(error) && dirname(path) !== path) continue;
      throw new CisternError("invalid-config", "CISTERN_DATA_DIR: its disk cannot be measured", { cause: error });
    }
  }
}

/** What a running process removes meanwhile counts for nothing. */
function heldIn(directory: string): number {
  let bytes = 0;
  for (const entry of readdirSync(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const found = statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false });
    bytes += (found?.blocks ?? 0) * 512;
  }
  return bytes;
}

function isAbsence(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
