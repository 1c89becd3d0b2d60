import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";

export interface StoredObject {
  readonly path: string;
  /** The digest that its name claims, and the one that its bytes have. */
  readonly named: string;
  readonly found: string;
}

// Objects are `sha256/ab/cd/<hex>/<fence>`, wherever the store lies in the data directory.
const OBJECT = /sha256\/[0-9a-f]{2}\/[0-9a-f]{2}\/([0-9a-f]{64})\/[^/]+$/;

/** Hashes every object of the store in a data directory. */
export async function hashStoredObjects(dataDir: string): Promise<readonly StoredObject[]> {
  const objects: StoredObject[] = [];
  for (const entry of await readdir(dataDir, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name);
    const named = OBJECT.exec(path)?.[1];
    if (!entry.isFile() || named === undefined) continue;
    const hash = createHash("sha256");
    await pipeline(createReadStream(path), hash);
    objects.push({ path, named, found: hash.digest("hex") });
  }
  return objects;
}
