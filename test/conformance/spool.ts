import { createHash, randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Spool, SpoolFile, SpoolHeader } from "../../src/domain/spool.ts";

export interface SpoolUnderTest extends AsyncDisposable {
  /** Opens the same spool as the next process would: what an earlier one left is there. */
  open(): Promise<Spool>;
}

const MIB = 1024 * 1024;

/** What every spool does; `make` answers an empty one that may use `limit` bytes. */
export function spoolConformance(name: string, make: (limit: number) => Promise<SpoolUnderTest>): void {
  describe(`${name} is a spool`, () => {
    test("what was appended can be read at any offset", async () => {
      await using under = await make(64 * MIB);
      await using file = await (await under.open()).create(0);
      const bytes = randomBytes(3 * MIB + 17);
      await write(file, bytes, 60_000);
      expect(file.written).toBe(bytes.length);
      expect(await readAll(file)).toEqual(bytes);
      const into = Buffer.alloc(1000);
      expect(await file.read(into, bytes.length - 10)).toBe(10);
      expect(await file.read(into, bytes.length)).toBe(0);
      expect(await file.read(into, bytes.length + 5)).toBe(0);
    });

    test("a writer that is faster than the disk is made to wait, and is let on again", async () => {
      await using under = await make(64 * MIB);
      await using file = await (await under.open()).create(0);
      const chunk = randomBytes(MIB);
      let appended = 0;
      let wait: Promise<void> | undefined;
      while (wait === undefined && appended < 32 * MIB) {
        wait = file.append(chunk);
        appended += chunk.length;
      }
      expect(appended).toBeLessThanOrEqual(12 * MIB);
      await wait;
      expect(file.written).toBeGreaterThan(0);
      await file.seal();
      expect(file.written).toBe(appended);
    });

    test("readers go on after the bytes are discarded, until disposal", async () => {
      await using under = await make(64 * MIB);
      await using file = await (await under.open()).create(0);
      const bytes = randomBytes(100_000);
      await write(file, bytes);
      await file.discard();
      await file.discard();
      expect(await readAll(file)).toEqual(bytes);
    });

    test("a parked fill goes on in a later process, from its last checkpoint", async () => {
      await using under = await make(64 * MIB);
      const bytes = randomBytes(200_000);
      const header = headerOf("one");
      {
        const spool = await under.open();
        await using file = await spool.create(bytes.length);
        await spool.begin(file, { ...header, url: "http://other.example/" });
        await write(file, bytes.subarray(0, 100_000));
        await spool.checkpoint(file, 100_000, digest(bytes.subarray(0, 100_000)));
        await spool.begin(file, header);
        await write(file, bytes.subarray(100_000, 150_000));
      }
      const spool = await under.open();
      const remains = await spool.reopen("one");
      await using file = expectFile(remains?.file);
      expect(remains?.header).toEqual(header);
      expect(remains?.checkpoint).toEqual({ offset: 100_000, sha256: digest(bytes.subarray(0, 100_000)) });
      expect(file.written).toBe(100_000);
      await write(file, bytes.subarray(100_000));
      expect(await readAll(file)).toEqual(bytes);
      expect(await spool.reopen("one")).toBeUndefined();
    });

    test("a parked fill goes on in the same process, also while its file is still being closed", async () => {
      await using under = await make(64 * MIB);
      const spool = await under.open();
      const bytes = randomBytes(1000);
      const parked = await park(spool, "one", bytes, "open");
      const closed = parked[Symbol.asyncDispose]();
      await using again = expectFile((await spool.reopen("one"))?.file);
      expect(await readAll(again)).toEqual(bytes);
      await closed;
    });

    test("a checkpoint that comes too late is refused", async () => {
      await using under = await make(64 * MIB);
      const spool = await under.open();
      const parked = await park(spool, "one", randomBytes(1000));
      await expect(spool.checkpoint(parked, 1000, digest(randomBytes(1)))).rejects.toMatchObject({ code: "internal" });
    });

    test.each(["no header", "no checkpoint"])("what has %s cannot be resumed, and is swept away", async (lack) => {
      await using under = await make(64 * MIB);
      const spool = await under.open();
      {
        await using file = await spool.create(0);
        if (lack !== "no header") await spool.begin(file, headerOf("one"));
        await write(file, randomBytes(1000));
        if (lack !== "no checkpoint") await spool.checkpoint(file, 1000, digest(randomBytes(1)));
      }
      const later = await under.open();
      await later.sweep(new Date(0));
      expect(await later.reopen("one")).toBeUndefined();
    });

    test("what was discarded is never reopened", async () => {
      await using under = await make(64 * MIB);
      {
        const spool = await under.open();
        await using file = await park(spool, "one", randomBytes(1000), "open");
        await file.discard();
      }
      expect(await (await under.open()).reopen("one")).toBeUndefined();
    });

    test("of two files with one key the one that reaches further is reopened", async () => {
      await using under = await make(64 * MIB);
      const spool = await under.open();
      for (const length of [1000, 3000, 2000]) await park(spool, "one", randomBytes(length));
      const later = await under.open();
      const remains = await later.reopen("one");
      await using _file = expectFile(remains?.file);
      expect(remains?.checkpoint.offset).toBe(3000);
      expect(await later.reopen("one")).toBeUndefined();
    });

    test("a sweep drops what is older than wanted, and nothing else", async () => {
      await using under = await make(64 * MIB);
      await park(await under.open(), "one", randomBytes(1000));
      const later = await under.open();
      expect(await later.sweep(new Date(Date.now() - 3_600_000))).toBe(0);
      expect(await later.sweep(new Date(Date.now() + 3_600_000))).toBe(1);
      expect(await later.reopen("one")).toBeUndefined();
    });

    test("no more than the limit can be reserved, and it is free again after disposal", async () => {
      await using under = await make(10 * MIB);
      const spool = await under.open();
      await expect(spool.create(11 * MIB)).rejects.toMatchObject({ code: "spool-full" });
      {
        await using _first = await spool.create(6 * MIB);
        await expect(spool.create(6 * MIB)).rejects.toMatchObject({ code: "spool-full" });
        await using _second = await spool.create(4 * MIB);
      }
      await using _whole = await spool.create(10 * MIB);
    });

    test("a file that grows beyond the limit fails, and what it says is written can be read", async () => {
      await using under = await make(4 * MIB);
      const spool = await under.open();
      {
        await using file = await spool.create(0);
        const bytes = randomBytes(6 * MIB);
        await expect(write(file, bytes)).rejects.toMatchObject({ code: "spool-full" });
        await expect(file.append(bytes.subarray(0, 1))).rejects.toMatchObject({ code: "spool-full" });
        await expect(file.seal()).rejects.toMatchObject({ code: "spool-full" });
        expect(file.written).toBeGreaterThan(2 * MIB);
        expect(file.written).toBeLessThanOrEqual(4 * MIB);
        expect((await readAll(file)).equals(bytes.subarray(0, file.written))).toBe(true);
        await file.discard();
      }
      await using _next = await spool.create(4 * MIB);
    });

    test("bytes of a discarded file count until its last reader is gone", async () => {
      await using under = await make(4 * MIB);
      const spool = await under.open();
      {
        await using file = await spool.create(3 * MIB);
        await write(file, randomBytes(3 * MIB));
        await file.discard();
        await expect(spool.create(3 * MIB)).rejects.toMatchObject({ code: "spool-full" });
      }
      await using _next = await spool.create(3 * MIB);
    });

    test("what earlier processes left gives way when a new file needs the room, the oldest first", async () => {
      await using under = await make(4 * MIB);
      for (const key of ["one", "two", "three"]) await park(await under.open(), key, randomBytes(MIB));
      const spool = await under.open();
      await using _file = await spool.create(2 * MIB);
      expect(await spool.reopen("one")).toBeUndefined();
      await using _two = expectFile((await spool.reopen("two"))?.file);
      await using _three = expectFile((await spool.reopen("three"))?.file);
    });

    test("a reservation that could never fit drops nothing", async () => {
      await using under = await make(4 * MIB);
      await park(await under.open(), "one", randomBytes(MIB));
      const spool = await under.open();
      await using _file = await spool.create(2 * MIB);
      await expect(spool.create(3 * MIB)).rejects.toMatchObject({ code: "spool-full" });
      await using _one = expectFile((await spool.reopen("one"))?.file);
    });

    test("a sealed file keeps no more room than its bytes", async () => {
      await using under = await make(4 * MIB);
      const spool = await under.open();
      await using file = await spool.create(3 * MIB);
      await write(file, randomBytes(1000));
      await using _other = await spool.create(3 * MIB);
      await expect(write(file, randomBytes(3 * MIB))).rejects.toMatchObject({ code: "spool-full" });
    });

    test("bytes that were never written are no checkpoint", async () => {
      await using under = await make(4 * MIB);
      const spool = await under.open();
      const file = await spool.create(0);
      await spool.begin(file, headerOf("one"));
      await write(file, randomBytes(100));
      const early = spool.checkpoint(file, 200, digest(randomBytes(1)));
      const refused = expect(early).rejects.toMatchObject({ code: "internal" });
      await file[Symbol.asyncDispose]();
      await refused;
    });
  });
}

/** Leaves a file with one checkpoint at its end; `open`: does not dispose of it. */
async function park(spool: Spool, key: string, bytes: Buffer, left?: "open"): Promise<SpoolFile> {
  const file = await spool.create(bytes.length);
  await spool.begin(file, headerOf(key));
  await write(file, bytes);
  await spool.checkpoint(file, bytes.length, digest(bytes));
  if (left === undefined) await file[Symbol.asyncDispose]();
  return file;
}

export function headerOf(key: string): SpoolHeader {
  return { key, url: `http://origin.example/${key}`, validator: { kind: "etag", value: '"v1"' }, size: undefined };
}

/** Appends in chunks, as fast as the file takes them, and syncs. */
export async function write(file: SpoolFile, bytes: Uint8Array, chunk = 65_536): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += chunk) {
    const wait = file.append(bytes.subarray(offset, offset + chunk));
    if (wait !== undefined) await wait;
  }
  await file.seal();
}

export async function readAll(file: SpoolFile): Promise<Buffer> {
  const into = Buffer.alloc(file.written);
  const read = await file.read(into, 0);
  return into.subarray(0, read);
}

export function digest(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function expectFile(file: SpoolFile | undefined): SpoolFile {
  if (file === undefined) throw new Error("nothing was reopened");
  return file;
}
