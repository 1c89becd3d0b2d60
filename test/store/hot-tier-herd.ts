// Run as a process of its own, under strace: many at once keep files in one hot tier and read them
// again. Prints a line of fence and size for each.

import { createHash } from "node:crypto";
import { join } from "node:path";
import { openHotTier } from "../../src/store/hot-tier.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { nameOf } from "./object-name.ts";
import { seededBytes } from "./seeded-bytes.ts";

const [directory = "", limit = "0", count = "0"] = process.argv.slice(2);
const WORKERS = 16;
const spool = await openSpool(join(directory, "spool"), 1e9);
const tier = await openHotTier(join(directory, "hot"), Number(limit));
let next = 0;

await Promise.all(
  Array.from({ length: WORKERS }, async () => {
    while (next < Number(count)) await keepAndRead(++next);
  }),
);

async function keepAndRead(fence: number): Promise<void> {
  const draw = createHash("sha256").update(String(fence)).digest();
  const bytes = seededBytes(fence, 4 * (1 + (draw.readUInt32LE() % 40_000)));
  console.log(`${fence} ${bytes.length}`);
  await using file = await spool.create(bytes.length);
  await file.append(bytes);
  await file.seal();
  const name = nameOf(bytes, fence);
  await tier.keep(name, file, bytes.length);
  await file.discard();
  await using opened = await tier.open(name, bytes.length);
  await opened?.read(Buffer.alloc(bytes.length), 0);
  if (fence % 7 === 0) await tier.remove(name);
}
