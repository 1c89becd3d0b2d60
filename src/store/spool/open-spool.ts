import { mkdir } from "node:fs/promises";
import { resolve } from "node:path";
import type { Spool } from "../../domain/spool.ts";
import type { LimitedTier, NeedyTier } from "../../domain/tier.ts";
import { storeFailure } from "../io-error.ts";
import { DirectorySpool } from "./directory-spool.ts";
import { readRemains } from "./remains.ts";

/**
 * Opens the spool in a directory, which is created with mode 0700 when it is missing. What earlier
 * processes left is read once, here. The one process that holds the data directory uses it.
 * @param limitBytes all that may lie in it, reservations included
 */
export async function openSpool(directory: string, limitBytes: number): Promise<Spool & LimitedTier & NeedyTier> {
  const path = resolve(directory);
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    return new DirectorySpool(path, limitBytes, await readRemains(path));
  } catch (error) {
    throw storeFailure(error);
  }
}
