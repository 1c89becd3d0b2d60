import type { Dirent } from "node:fs";
import { opendir, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Fence, ObjectName } from "../domain/content.ts";
import { sha256 } from "../domain/digest.ts";
import { errnoOf, storeFailure } from "./io-error.ts";

/** Where an object lies: `<root>/sha256/ab/cd/<hex>/<fence>`. */
export function objectPath(root: string, { sha256, fence }: ObjectName): string {
  return join(root, "sha256", sha256.slice(0, 2), sha256.slice(2, 4), sha256, String(fence));
}

/** Bytes of an object whose row is lost; undefined: certainly absent. */
export async function objectSize(root: string, name: ObjectName): Promise<number | undefined> {
  try {
    const found = await stat(objectPath(root, name));
    return found.isFile() ? found.size : undefined;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw storeFailure(error);
  }
}

/** Deletes an object and the directories that it leaves empty; absence is success. */
export async function removeObject(root: string, name: ObjectName): Promise<void> {
  const path = objectPath(root, name);
  try {
    await unlink(path);
  } catch (error) {
    if (errnoOf(error) !== "ENOENT") throw storeFailure(error);
  }
  const top = join(root, "sha256");
  for (let directory = dirname(path); directory !== top; directory = dirname(directory)) {
    try {
      await rmdir(directory);
    } catch (error) {
      const errno = errnoOf(error);
      if (errno === "ENOENT") continue;
      if (errno === "ENOTEMPTY" || errno === "EEXIST") return;
      throw storeFailure(error);
    }
  }
}

/** Walks `<top>/ab/cd/<hex>/<fence>` without holding more than one directory page per level. */
export async function* listObjects(top: string, signal: AbortSignal): AsyncGenerator<ObjectName> {
  for await (const first of entries(top, /^[0-9a-f]{2}$/, signal)) {
    for await (const second of entries(first, /^[0-9a-f]{2}$/, signal)) {
      for await (const content of entries(second, /^[0-9a-f]{64}$/, signal)) {
        for await (const object of entries(content, /^\d{1,16}$/, signal)) {
          yield { sha256: sha256(lastName(content)), fence: Number(lastName(object)) as Fence };
        }
      }
    }
  }
}

/** Deletes the files of a directory: what a copy left that never came to its end. */
export async function emptyDirectory(path: string): Promise<void> {
  for await (const entry of await opendir(path)) await unlink(join(path, entry.name));
}

/** Paths of the entries whose name fits; a directory that is gone meanwhile has none. */
async function* entries(directory: string, name: RegExp, signal: AbortSignal): AsyncGenerator<string> {
  signal.throwIfAborted();
  let found: AsyncIterable<Dirent>;
  try {
    found = await opendir(directory);
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return;
    throw storeFailure(error);
  }
  try {
    for await (const entry of found) {
      signal.throwIfAborted();
      if (name.test(entry.name)) yield join(directory, entry.name);
    }
  } catch (error) {
    signal.throwIfAborted();
    throw storeFailure(error);
  }
}

function lastName(path: string): string {
  return path.slice(path.lastIndexOf("/") + 1);
}
