import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { contentOf } from "../conformance/content-store.ts";
import { digest, headerOf, readAll, write } from "../conformance/spool.ts";
import { putObject } from "../support/put-object.ts";
import { mayMount, smallDisk } from "../support/small-disk.ts";
import { nameOf } from "./object-name.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const MIB = 1024 * 1024;
const never = new AbortController().signal;

describe.skipIf(!(await mayMount()))("on a small disk (I9)", () => {
  test("more than the disk has is not reserved, though the limit would allow it", async () => {
    await using disk = await smallDisk(16 * MIB);
    const spool = await openSpool(join(disk.path, "spool"), 1000 * MIB);
    await expect(spool.create(17 * MIB)).rejects.toMatchObject({ code: "spool-full" });
    await using _first = await spool.create(10 * MIB);
    await expect(spool.create(8 * MIB)).rejects.toMatchObject({ code: "spool-full" });
  });

  test("a content of unknown size fails when the disk ends, and the next one works when there is room again", async () => {
    await using disk = await smallDisk(16 * MIB);
    const spool = await openSpool(join(disk.path, "spool"), 1000 * MIB);
    const bytes = randomBytes(20 * MIB);
    {
      await using file = await spool.create(0);
      await expect(write(file, bytes)).rejects.toMatchObject({ code: "spool-full" });
      expect(file.written).toBeGreaterThan(8 * MIB);
      expect((await readAll(file)).equals(bytes.subarray(0, file.written))).toBe(true);
      await file.discard();
    }
    expect(await readdir(join(disk.path, "spool"))).toEqual([]);
    await using file = await spool.create(0);
    await write(file, bytes.subarray(0, 10 * MIB));
    expect(file.written).toBe(10 * MIB);
  });

  test("when others take the room that was reserved, what is written stays right and readable", async () => {
    await using disk = await smallDisk(16 * MIB);
    const spool = await openSpool(join(disk.path, "spool"), 1000 * MIB);
    const bytes = randomBytes(10 * MIB);
    {
      await using file = await spool.create(bytes.length);
      await spool.begin(file, headerOf("one"));
      await write(file, bytes.subarray(0, 2 * MIB));
      await disk.fill();
      await expect(write(file, bytes.subarray(2 * MIB))).rejects.toMatchObject({ code: "spool-full" });
      await expect(file.seal()).rejects.toMatchObject({ code: "spool-full" });
      expect(file.written).toBeGreaterThanOrEqual(2 * MIB);
      expect((await readAll(file)).equals(bytes.subarray(0, file.written))).toBe(true);
      await file.discard();
    }
    await disk.relieve();
    await using again = await spool.create(bytes.length);
    await write(again, bytes);
    expect((await readAll(again)).equals(bytes)).toBe(true);
  });

  test("a journal that has no room does not stop the fill, and misleads no later one", async () => {
    await using disk = await smallDisk(4 * MIB);
    const directory = join(disk.path, "spool");
    const spool = await openSpool(directory, 1000 * MIB);
    const bytes = randomBytes(MIB);
    {
      await using file = await spool.create(bytes.length);
      await spool.begin(file, headerOf("one"));
      await write(file, bytes);
      await spool.checkpoint(file, bytes.length, digest(bytes));
      await disk.fill();
      // A URL that does not fit into what is left of the journal's last page.
      const other = { ...headerOf("one"), url: `http://origin.example/${"x".repeat(9000)}` };
      await spool.begin(file, other);
      expect(await readdir(directory)).toEqual([`${file.path.slice(directory.length + 1)}`]);
    }
    expect(await spool.reopen("one")).toBeUndefined();
    expect(await readdir(directory)).toEqual([]);
  });

  test("a store on a full disk of its own says so, and nothing half-written stays", async () => {
    await using directory = await temporaryDirectory();
    await using disk = await smallDisk(4 * MIB);
    const spool = await openSpool(directory.path, 1000 * MIB);
    const store = await openFilesystemStore(disk.path);
    const bytes = randomBytes(5 * MIB);
    await using file = await spool.create(bytes.length);
    await write(file, bytes);
    await expect(putObject(store, nameOf(bytes), file, never)).rejects.toMatchObject({ code: "spool-full" });
    expect(await store.open(nameOf(bytes), bytes.length)).toBeUndefined();
    expect(await readdir(join(disk.path, "incoming"))).toEqual([]);
    expect(await readFile(file.path)).toEqual(bytes);
  });

  test("a store on another file system than the spool takes a copy", async () => {
    await using directory = await temporaryDirectory();
    await using disk = await smallDisk(8 * MIB);
    const spool = await openSpool(directory.path, 1000 * MIB);
    const store = await openFilesystemStore(disk.path);
    const bytes = randomBytes(5 * MIB + 1);
    await using file = await spool.create(bytes.length);
    await write(file, bytes);
    await putObject(store, nameOf(bytes), file, never);
    await file.discard();
    expect((await contentOf(store, nameOf(bytes), bytes.length))?.equals(bytes)).toBe(true);
    expect(await readdir(directory.path)).toEqual([]);
    expect(await readdir(join(disk.path, "incoming"))).toEqual([]);
  });
});
