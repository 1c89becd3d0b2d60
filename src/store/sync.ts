import fs from "node:fs";
import { open } from "node:fs/promises";

/** More syncs at once keep readers waiting for the disk, and occupy the thread pool that they need. */
const MAX_SYNCS = 4;

let running = 0;
const waiting: (() => void)[] = [];

/** Runs one sync when fewer than four of this process are under way; first come, first served. */
async function inTurn(sync: () => Promise<void>): Promise<void> {
  if (running >= MAX_SYNCS) await new Promise<void>((resolve) => waiting.push(resolve));
  else running += 1;
  try {
    await sync();
  } finally {
    const next = waiting.shift();
    if (next === undefined) running -= 1;
    else next();
  }
}

/** fdatasync: the bytes of the file are durable, and its length. Rejects with the system's error. */
export function syncData(fd: number): Promise<void> {
  return inTurn(
    () =>
      new Promise((resolve, reject) => {
        fs.fdatasync(fd, (error) => (error === null ? resolve() : reject(error)));
      }),
  );
}

/** fsync of a directory: the names in it are durable. Rejects with the system's error. */
export function syncDirectory(path: string): Promise<void> {
  return inTurn(async () => {
    await using directory = await open(path, "r");
    await directory.sync();
  });
}
