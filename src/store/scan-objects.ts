import { readdir, rm, rmdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import type { Fence, ObjectName } from "../domain/content.ts";
import { sha256 } from "../domain/digest.ts";
import { objectPath } from "./object-directory.ts";

/** An object that an earlier process left. */
export interface FoundObject {
  readonly name: ObjectName;
  /** Bytes. */
  readonly size: number;
  /** Milliseconds since the epoch. */
  readonly modifiedAt: number;
}

/** Names from `sha256/` downwards; the last is a file, the others are directories. */
const LEVELS = [/^[0-9a-f]{2}$/, /^[0-9a-f]{2}$/, /^[0-9a-f]{64}$/, /^\d{1,16}$/] as const;

/**
 * Finds every object below `<root>/sha256` and deletes all else that is there: nothing would ever
 * find it again, and it would count against no limit. Rejects with the system's error.
 */
export async function scanObjects(root: string): Promise<FoundObject[]> {
  const found: FoundObject[] = [];
  await scan(root, join(root, "sha256"), 0, found);
  return found;
}

/** Answers whether anything is left in the directory. */
async function scan(root: string, directory: string, level: number, found: FoundObject[]): Promise<boolean> {
  const below: (() => Promise<boolean>)[] = [];
  let kept = false;
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    const isFile = level === LEVELS.length - 1;
    const named = LEVELS[level]?.test(entry.name) === true;
    if (!named || !(isFile ? entry.isFile() : entry.isDirectory())) await rm(path, { recursive: true });
    else if (!isFile) below.push(() => scan(root, path, level + 1, found));
    else kept = (await take(root, path, basename(directory), found)) || kept;
  }
  // The top side by side: a tier of a hundred thousand files is what a start waits for.
  if (level === 0) kept = (await Promise.all(below.map((run) => run()))).includes(true);
  else for (const run of below) kept = (await run()) || kept;
  if (!kept && level > 0) await rmdir(directory);
  return kept;
}

async function take(root: string, path: string, hex: string, found: FoundObject[]): Promise<boolean> {
  const name: ObjectName = { sha256: sha256(hex), fence: Number(basename(path)) as Fence };
  if (objectPath(root, name) !== path) {
    await rm(path);
    return false;
  }
  const { size, mtimeMs } = await stat(path);
  found.push({ name, size, modifiedAt: mtimeMs });
  return true;
}
