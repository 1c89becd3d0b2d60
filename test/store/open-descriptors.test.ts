import { randomBytes } from "node:crypto";
import { readdir, readlink } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { digest, headerOf, write } from "../conformance/spool.ts";
import { putObject } from "../support/put-object.ts";
import { nameOf } from "./object-name.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const never = new AbortController().signal;

/** The files below `directory` that this process has open. */
async function openBelow(directory: string): Promise<string[]> {
  const links = await Promise.all(
    (await readdir("/proc/self/fd")).map((fd) => readlink(`/proc/self/fd/${fd}`).catch(() => "")),
  );
  return links.filter((link) => link.startsWith(directory));
}

test.skipIf(process.platform !== "linux")(
  "whatever happens to a file, its descriptor is closed in the end",
  async () => {
    await using directory = await temporaryDirectory();
    const spool = await openSpool(join(directory.path, "spool"), 2_000_000);
    const store = await openFilesystemStore(join(directory.path, "store"));
    const bytes = randomBytes(500_000);
    for (let round = 0; round < 5; round += 1) {
      await using admitted = await spool.create(bytes.length);
      await write(admitted, bytes);
      await putObject(store, nameOf(bytes, round), admitted, never);
      await admitted.discard();
      await using opened = await store.open(nameOf(bytes, round), bytes.length);
      // Left running when the scope ends: closing waits for it.
      void opened?.read(Buffer.alloc(400_000), 0);
      await store.open(nameOf(bytes, round), 1);
      await using parked = await spool.create(0);
      await spool.begin(parked, headerOf("key"));
      await write(parked, bytes);
      await spool.checkpoint(parked, bytes.length, digest(bytes));
      void parked.read(Buffer.alloc(400_000), 0);
      await using tooLong = await spool.create(0);
      await expect(write(tooLong, randomBytes(3_000_000))).rejects.toMatchObject({ code: "spool-full" });
      await expect(spool.create(5_000_000)).rejects.toMatchObject({ code: "spool-full" });
    }
    const remains = await spool.reopen("key");
    expect(await openBelow(directory.path)).toHaveLength(1);
    await remains?.file[Symbol.asyncDispose]();
    for await (const _ of store.list(never)) break;
    expect(await openBelow(directory.path)).toEqual([]);
  },
);
