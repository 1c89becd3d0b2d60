import { statfsSync } from "node:fs";
import { dirname } from "node:path";
import { CisternError } from "../domain/errors.ts";

/** What the file system under the data directory has, in bytes. */
export interface Disk {
  readonly total: number;
}

export interface Shares {
  readonly cacheBytes: number;
  readonly spoolBytes: number;
}

/**
 * The limits when none are set: half of the disk for what is kept, a fifth for fills in progress.
 * Shares of the whole disk, never of what is free: a cache that has grown into its own limit must
 * find the same limit at its next start.
 */
export function sharesOf(disk: Disk): Shares {
  return { cacheBytes: Math.floor(disk.total / 2), spoolBytes: Math.floor(disk.total / 5) };
}

/** Measures the disk that a directory lies on, or will lie on. */
export function diskOf(directory: string): Disk {
  for (let path = directory; ; path = dirname(path)) {
    try {
      const { bsize, blocks } = statfsSync(path);
      return { total: bsize * blocks };
    } catch (error) {
      const absent = error instanceof Error && "code" in error && error.code === "ENOENT";
      if (absent && dirname(path) !== path) continue;
      throw new CisternError("invalid-config", "CISTERN_DATA_DIR: its disk cannot be measured", { cause: error });
    }
  }
}
