// Run as a process of its own: spools and admits without end, tells of everything that was promised
// to be durable, and expects to be killed. Bytes are a function of a seed, so that anybody can check them.

import { createHash } from "node:crypto";
import { join } from "node:path";
import type { Fence } from "../../src/domain/content.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { putObject } from "../support/put-object.ts";
import { seededBytes } from "./seeded-bytes.ts";

const CHUNK = 100_000;
const [directory = "", task = ""] = process.argv.slice(2);
const spool = await openSpool(join(directory, "spool"), 1e9);

if (task === "spool") await spoolForEver();
else await admitForEver();

async function spoolForEver(): Promise<void> {
  const remains = await spool.reopen("key");
  const file = remains?.file ?? (await spool.create(0));
  const start = remains?.checkpoint.offset ?? 0;
  await spool.begin(file, { key: "key", url: "http://origin.example/", validator: undefined, size: undefined });
  const hash = createHash("sha256");
  for (let offset = 0; offset < start; offset += CHUNK) hash.update(seededBytes(offset, CHUNK));
  console.log(`start ${start}`);
  for (let offset = start; ; offset += CHUNK) {
    const chunk = seededBytes(offset, CHUNK);
    hash.update(chunk);
    await file.append(chunk);
    const end = offset + CHUNK;
    if ((end / CHUNK) % 8 !== 0) continue;
    await spool.checkpoint(file, end, hash.copy().digest("hex"));
    console.log(`checkpoint ${end}`);
  }
}

async function admitForEver(): Promise<void> {
  const store = await openFilesystemStore(join(directory, "store"));
  for (let seed = Date.now(); ; seed += 1) {
    const bytes = seededBytes(seed, CHUNK + (seed % 1000));
    const hex = sha256(createHash("sha256").update(bytes).digest("hex"));
    await using file = await spool.create(bytes.length);
    await file.append(bytes);
    await file.seal();
    await putObject(store, { sha256: hex, fence: 7 as Fence }, file, new AbortController().signal);
    console.log(`admitted ${hex}`);
    await file.discard();
  }
}
