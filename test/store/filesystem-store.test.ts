import { randomBytes } from "node:crypto";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { contentStoreConformance } from "../conformance/content-store.ts";
import { write } from "../conformance/spool.ts";
import { putObject } from "../support/put-object.ts";
import { nameOf } from "./object-name.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

async function storeInDirectory() {
  const directory = await temporaryDirectory();
  const root = join(directory.path, "store");
  const spool = await openSpool(join(directory.path, "spool"), 1e9);
  return {
    root,
    store: await openFilesystemStore(root),
    readersOutliveRemoval: true,
    spool: () => spool.create(0),
    unfinished: async () => (await readdir(join(root, "incoming"))).length,
    spooled: async (bytes: Uint8Array) => {
      const file = await spool.create(bytes.length);
      await write(file, bytes);
      return file;
    },
    [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose](),
  };
}

contentStoreConformance("a directory", storeInDirectory);

describe("a store in a directory", () => {
  const never = new AbortController().signal;

  test("a damaged tree is doubt, never absence (I7)", async () => {
    await using under = await storeInDirectory();
    const name = nameOf(randomBytes(10));
    const path = join(under.root, "sha256", name.sha256.slice(0, 2), name.sha256.slice(2, 4));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, "a file where a directory belongs");
    await using spool = await under.spooled(Buffer.from("x"));
    await expect(under.store.open(name, 10)).rejects.toMatchObject({ code: "store-unavailable" });
    await expect(under.store.remove(name)).rejects.toMatchObject({ code: "store-unavailable" });
    await expect(putObject(under.store, name, spool, never)).rejects.toMatchObject({ code: "store-unavailable" });
    await expect(async () => {
      for await (const _ of under.store.list(never));
    }).rejects.toMatchObject({ code: "store-unavailable" });
  });

  test("bytes that are gone before they are admitted are a failure, not an endless attempt", async () => {
    await using under = await storeInDirectory();
    await using spool = await under.spooled(Buffer.from("x"));
    await spool.discard();
    await expect(putObject(under.store, nameOf(Buffer.from("x")), spool, never)).rejects.toMatchObject({
      code: "store-unavailable",
    });
  });

  test("the last removal takes the emptied directories along", async () => {
    await using under = await storeInDirectory();
    const bytes = randomBytes(10);
    for (const fence of [1, 2]) await putObject(under.store, nameOf(bytes, fence), await under.spooled(bytes), never);
    await under.store.remove(nameOf(bytes, 1));
    expect(await readdir(join(under.root, "sha256"))).toHaveLength(1);
    await under.store.remove(nameOf(bytes, 2));
    expect(await readdir(join(under.root, "sha256"))).toEqual([]);
  });

  test("nobody but its owner can read what is kept, and names that are not ours are not listed", async () => {
    await using under = await storeInDirectory();
    const bytes = randomBytes(10);
    const name = nameOf(bytes);
    await putObject(under.store, name, await under.spooled(bytes), never);
    const path = join(under.root, "sha256", name.sha256.slice(0, 2), name.sha256.slice(2, 4), name.sha256);
    expect((await stat(under.root)).mode & 0o077).toBe(0);
    expect((await stat(join(path, "1"))).mode & 0o777).toBe(0o600);
    await writeFile(join(path, "1.orig"), "");
    await mkdir(join(under.root, "sha256", "lost+found"));
    const listed = [];
    for await (const object of under.store.list(never)) listed.push(object);
    expect(listed).toEqual([name]);
  });

  test("what a copy left unfinished is gone at the next start", async () => {
    await using under = await storeInDirectory();
    await writeFile(join(under.root, "incoming", "half"), "half");
    await openFilesystemStore(under.root);
    expect(await readdir(join(under.root, "incoming"))).toEqual([]);
  });
});
