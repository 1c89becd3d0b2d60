import { mkdir, rename, unlink } from "node:fs/promises";
import { dirname } from "node:path";
import { copySynced } from "./copy-synced.ts";
import { errnoOf } from "./io-error.ts";

/** A removal that empties a directory can take it from under a move; more often than this it is no race. */
const MOVE_ATTEMPTS = 32;

/**
 * Moves a file of synced bytes to its name, or copies it when it lies on another file system. A
 * name never shows bytes that are not synced. Rejects with the system's error.
 * @param incoming a directory beside the names, where copies grow out of sight
 */
export async function moveFile(from: string, to: string, incoming: string, signal: AbortSignal): Promise<void> {
  try {
    await moveInto(from, to);
  } catch (error) {
    if (errnoOf(error) !== "EXDEV") throw error;
    const copy = await copySynced(from, incoming, signal);
    try {
      await moveInto(copy, to);
    } catch (cause) {
      await unlink(copy);
      throw cause;
    }
  }
}

/** Renames into a directory that may not exist yet, and that a removal may take away meanwhile. */
async function moveInto(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await mkdir(dirname(to), { recursive: true, mode: 0o700 });
      return await rename(from, to);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" || attempt === MOVE_ATTEMPTS) throw error;
    }
  }
}
