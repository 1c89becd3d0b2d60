import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { expect } from "vitest";
import type { ObjectName } from "../../src/domain/content.ts";
import type { StoredObject } from "../../src/domain/content-store.ts";
import type { HotTier } from "../../src/domain/hot-tier.ts";
import { openHotTier } from "../../src/store/hot-tier.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { write } from "../conformance/spool.ts";
import { nameOf } from "./object-name.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

export const BLOCK = 4096;
export const KIB = 1024;

/** A tier in a directory, and a spool beside it. */
export async function hotTier(limit: number, hot?: string) {
  const directory = await temporaryDirectory();
  const root = hot ?? join(directory.path, "hot");
  const spool = await openSpool(join(directory.path, "spool"), 1e9);
  let time = Date.UTC(2026, 0, 1);
  const open = (bytes = limit) => openHotTier(root, bytes, () => time);
  const tier = await open();
  return {
    root,
    tier,
    /** The tier as the next process finds it. */
    reopen: open,
    /** Time goes on. */
    pass: (milliseconds: number) => {
      time += milliseconds;
    },
    keep: async (bytes: Buffer, fence = 1): Promise<boolean> => {
      await using file = await spool.create(bytes.length);
      await write(file, bytes);
      const kept = await tier.keep(nameOf(bytes, fence), file, bytes.length);
      await file.discard();
      return kept;
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

export async function bytesIn(tier: HotTier, name: ObjectName, size: number): Promise<Buffer | undefined> {
  await using opened = await tier.open(name, size);
  return opened === undefined ? undefined : await contentOf(opened);
}

export async function contentOf(opened: StoredObject): Promise<Buffer> {
  const into = Buffer.alloc(opened.size);
  expect(await opened.read(into, 0)).toBe(opened.size);
  return into;
}

export function pathOf(root: string, { sha256, fence }: ObjectName): string {
  return join(root, "sha256", sha256.slice(0, 2), sha256.slice(2, 4), sha256, String(fence));
}

export async function filesBelow(root: string): Promise<{ path: string; size: number }[]> {
  const entries = await readdir(root, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return await Promise.all(files.map(async (path) => ({ path, size: (await stat(path)).size })));
}

export function occupied(size: number): number {
  return Math.max(1, Math.ceil(size / BLOCK)) * BLOCK;
}

export async function occupiedBelow(root: string): Promise<number> {
  return (await filesBelow(root)).reduce((sum, { size }) => sum + occupied(size), 0);
}
