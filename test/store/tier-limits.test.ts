import { randomBytes } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { write } from "../conformance/spool.ts";
import { mayMount, smallDisk } from "../support/small-disk.ts";
import { BLOCK, hotTier } from "./hot-tier-directory.ts";
import { nameOf } from "./object-name.ts";
import { seededBytes } from "./seeded-bytes.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const MIB = 1024 * 1024;

describe("a hot tier whose limit changes while it runs", () => {
  test("drops what was read least recently until it holds no more, and takes no more from then on", async () => {
    await using under = await hotTier(8 * BLOCK);
    const [a, b, c] = [seededBytes(1, BLOCK), seededBytes(2, BLOCK), seededBytes(3, BLOCK)];
    for (const bytes of [a, b, c]) expect(await under.keep(bytes)).toBe(true);
    expect(under.tier.use).toEqual({ used: 3 * BLOCK, limit: 8 * BLOCK });
    await (await under.tier.open(nameOf(a), BLOCK))?.[Symbol.asyncDispose]();
    await under.tier.resize(4 * BLOCK);
    expect(under.tier.use).toEqual({ used: 3 * BLOCK, limit: 4 * BLOCK });
    await under.tier.resize(BLOCK);
    expect(under.tier.use).toEqual({ used: BLOCK, limit: BLOCK });
    await using left = await under.tier.open(nameOf(a), BLOCK);
    expect(left?.size).toBe(BLOCK);
    expect(await under.keep(b)).toBe(false);
  });

  test("I5: leaves what is being read, and drops it for what comes after", async () => {
    await using under = await hotTier(8 * BLOCK);
    const [a, b] = [seededBytes(1, BLOCK), seededBytes(2, BLOCK)];
    await under.keep(a);
    const reader = await under.tier.open(nameOf(a), BLOCK);
    await under.tier.resize(0);
    expect(under.tier.use.used).toBe(BLOCK);
    expect(await reader?.read(Buffer.alloc(BLOCK), 0)).toBe(BLOCK);
    await reader?.[Symbol.asyncDispose]();
    await under.tier.resize(4 * BLOCK);
    expect(await under.keep(b)).toBe(true);
  });

  test("gives so much back as the disk needs, or as there is", async () => {
    await using under = await hotTier(8 * BLOCK);
    for (const seed of [1, 2, 3]) await under.keep(seededBytes(seed, BLOCK));
    expect(await under.tier.spare(BLOCK + 1)).toBe(2 * BLOCK);
    expect(await under.tier.spare(100 * BLOCK)).toBe(BLOCK);
    expect(await under.tier.spare(1)).toBe(0);
    expect(under.tier.use.used).toBe(0);
  });
});

describe("a spool whose limit changes while it runs", () => {
  test("gives no more than it has now, and takes nothing from what is under way", async () => {
    await using directory = await temporaryDirectory();
    const spool = await openSpool(directory.path, 10 * MIB);
    await using file = await spool.create(6 * MIB);
    expect(spool.use).toEqual({ used: 6 * MIB, limit: 10 * MIB });
    await spool.resize(8 * MIB);
    await expect(spool.create(3 * MIB)).rejects.toMatchObject({ code: "spool-full" });
    await spool.resize(MIB);
    await write(file, randomBytes(6 * MIB));
    expect(file.written).toBe(6 * MIB);
    await spool.resize(20 * MIB);
    await using more = await spool.create(14 * MIB);
    expect([more.written, spool.use.used]).toEqual([0, 20 * MIB]);
    await file.discard();
    await more.discard();
  });
});

describe.skipIf(!(await mayMount()))("a spool on a disk that is full below its limit", () => {
  test("asks others to make room, once for all who find it full, and gives up when they cannot", async () => {
    await using disk = await smallDisk(16 * MIB);
    const spool = await openSpool(join(disk.path, "spool"), 1000 * MIB);
    const ballast = join(disk.path, "ballast");
    await writeFile(ballast, Buffer.alloc(12 * MIB));
    const asked: number[] = [];
    spool.relieveBy(async (bytes) => {
      asked.push(bytes);
      await rm(ballast, { force: true });
      return asked.length === 1;
    });
    const files = await Promise.all([spool.create(5 * MIB), spool.create(5 * MIB)]);
    expect(asked).toHaveLength(1);
    expect(asked[0]).toBeGreaterThan(MIB);
    await expect(spool.create(8 * MIB)).rejects.toMatchObject({ code: "spool-full" });
    expect(asked).toHaveLength(2);
    // What the limit forbids nobody is asked for.
    await spool.resize(11 * MIB);
    await expect(spool.create(2 * MIB)).rejects.toMatchObject({ code: "spool-full" });
    expect(asked).toHaveLength(2);
    for (const file of files) {
      await file.discard();
      await file[Symbol.asyncDispose]();
    }
  });
});
