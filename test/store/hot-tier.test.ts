import { randomBytes } from "node:crypto";
import { mkdir, readdir, rm, stat, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import type { ObjectName } from "../../src/domain/content.ts";
import { BLOCK, bytesIn, contentOf, filesBelow, hotTier, KIB, pathOf } from "./hot-tier-directory.ts";
import { nameOf } from "./object-name.ts";
import { seededBytes } from "./seeded-bytes.ts";

describe("a hot tier", () => {
  test.each([0, 1, 4096, 100_001])(
    "gives back the %d bytes that it took, in the file that the spool wrote",
    async (length) => {
      await using under = await hotTier(1024 * KIB);
      const bytes = randomBytes(length);
      const name = nameOf(bytes, 3);
      expect(await under.tier.open(name, length)).toBeUndefined();
      expect(await under.keep(bytes, 3)).toBe(true);
      expect(await bytesIn(under.tier, name, length)).toEqual(bytes);
      expect(await filesBelow(join(under.root, ".."))).toEqual([{ path: pathOf(under.root, name), size: length }]);
      expect((await stat(under.root)).mode & 0o077).toBe(0);
    },
  );

  test("what fits is at most a quarter of the limit, and with limit 0 it is nothing", async () => {
    await using under = await hotTier(64 * KIB);
    expect(under.tier.fits(16 * KIB)).toBe(true);
    expect(under.tier.fits(16 * KIB + 1)).toBe(false);
    expect(await under.keep(randomBytes(16 * KIB + 1))).toBe(false);
    await using off = await hotTier(0);
    expect(off.tier.fits(0)).toBe(false);
    expect(await off.keep(Buffer.alloc(0))).toBe(false);
    expect(await filesBelow(off.root)).toEqual([]);
  });

  test("what was read least recently makes room", async () => {
    await using under = await hotTier(4 * BLOCK);
    const files = [1, 2, 3, 4, 5, 6].map((seed) => seededBytes(seed, BLOCK));
    const [a, b, c, d, e, f] = files.map((bytes) => nameOf(bytes)) as [
      ObjectName,
      ObjectName,
      ObjectName,
      ObjectName,
      ObjectName,
      ObjectName,
    ];
    for (const bytes of files.slice(0, 4)) await under.keep(bytes);
    await bytesIn(under.tier, a, BLOCK);
    await bytesIn(under.tier, c, BLOCK);
    for (const bytes of files.slice(4)) await under.keep(bytes);
    const there = async (name: ObjectName) => (await bytesIn(under.tier, name, BLOCK)) !== undefined;
    expect(await Promise.all([a, b, c, d, e, f].map(there))).toEqual([true, false, true, false, true, true]);
  });

  test("what is being read is not deleted for room that this would not make", async () => {
    await using under = await hotTier(4 * BLOCK);
    const files = [1, 2, 3, 4].map((seed) => seededBytes(seed, BLOCK));
    for (const bytes of files) await under.keep(bytes);
    const readers = [];
    for (const bytes of files) readers.push(await under.tier.open(nameOf(bytes), BLOCK));
    expect(await under.keep(seededBytes(5, BLOCK))).toBe(false);
    // Its name goes, its bytes only with the reader.
    await under.tier.remove(nameOf(files[0] ?? Buffer.alloc(0)));
    expect(await under.keep(seededBytes(5, BLOCK))).toBe(false);
    const [first] = readers;
    if (first === undefined) throw new Error("it was not there");
    expect(await contentOf(first)).toEqual(files[0]);
    await first[Symbol.asyncDispose]();
    await first[Symbol.asyncDispose]();
    expect(await under.keep(seededBytes(5, BLOCK))).toBe(true);
    expect(await under.keep(seededBytes(6, BLOCK))).toBe(true);
    expect(await bytesIn(under.tier, nameOf(seededBytes(5, BLOCK)), BLOCK)).toBeUndefined();
    for (const reader of readers) await reader?.[Symbol.asyncDispose]();
  });

  test("nothing is lost for what cannot be made room for", async () => {
    await using under = await hotTier(8 * BLOCK);
    const files = [1, 2, 3, 4, 5, 6, 7, 8].map((seed) => seededBytes(seed, BLOCK));
    for (const bytes of files) await under.keep(bytes);
    const readers = [];
    for (const bytes of files.slice(1)) readers.push(await under.tier.open(nameOf(bytes), BLOCK));
    expect(await under.keep(seededBytes(9, 2 * BLOCK))).toBe(false);
    expect(await filesBelow(under.root)).toHaveLength(8);
    for (const reader of readers) await reader?.[Symbol.asyncDispose]();
  });

  test("a file of another size than recorded is no hit, and makes place for a whole one", async () => {
    await using under = await hotTier(64 * KIB);
    const bytes = randomBytes(10_000);
    const name = nameOf(bytes);
    await under.keep(bytes);
    await truncate(pathOf(under.root, name), 9_999);
    expect(await under.tier.open(name, 10_000)).toBeUndefined();
    expect(await filesBelow(under.root)).toEqual([]);
    expect(await under.keep(bytes)).toBe(true);
    expect(await bytesIn(under.tier, name, 10_000)).toEqual(bytes);
  });

  test("a file that somebody deleted is no hit, and its room is free again", async () => {
    await using under = await hotTier(4 * BLOCK);
    for (let seed = 0; seed < 20; seed += 1) {
      const bytes = seededBytes(seed, BLOCK);
      expect(await under.keep(bytes)).toBe(true);
      await rm(pathOf(under.root, nameOf(bytes)));
      expect(await under.tier.open(nameOf(bytes), BLOCK)).toBeUndefined();
    }
  });

  test("removal of what is not there is success, and the emptied directories go along", async () => {
    await using under = await hotTier(64 * KIB);
    const bytes = randomBytes(10);
    await under.tier.remove(nameOf(bytes));
    await under.keep(bytes);
    await under.tier.remove(nameOf(bytes));
    await under.tier.remove(nameOf(bytes));
    expect(await under.tier.open(nameOf(bytes), 10)).toBeUndefined();
    expect(await readdir(join(under.root, "sha256"))).toEqual([]);
  });

  test("one content that arrives many times at once is kept once", async () => {
    await using under = await hotTier(64 * KIB);
    const bytes = randomBytes(16 * KIB);
    expect(await Promise.all(Array.from({ length: 20 }, () => under.keep(bytes)))).not.toContain(false);
    expect(await under.keep(bytes)).toBe(true);
    // Counted once: three more of the same size find room without a loss.
    for (const seed of [1, 2, 3]) expect(await under.keep(seededBytes(seed, 16 * KIB))).toBe(true);
    expect(await bytesIn(under.tier, nameOf(bytes), bytes.length)).toEqual(bytes);
    expect(await filesBelow(under.root)).toHaveLength(4);
  });

  test("a disk that fails is doubt, and what was to be kept takes no room (I7)", async () => {
    await using under = await hotTier(4 * BLOCK);
    const bytes = randomBytes(BLOCK);
    const obstacle = dirname(dirname(pathOf(under.root, nameOf(bytes))));
    await mkdir(dirname(obstacle), { recursive: true });
    await writeFile(obstacle, "a file where a directory belongs");
    for (let attempt = 0; attempt < 10; attempt += 1) {
      await expect(under.keep(bytes)).rejects.toMatchObject({ code: "store-unavailable" });
    }
    await rm(obstacle);
    expect(await under.keep(bytes)).toBe(true);
  });
});

describe("the next process's hot tier", () => {
  test("finds what was kept, in the order in which it was read", async () => {
    await using under = await hotTier(4 * BLOCK);
    const files = [1, 2, 3, 4].map((seed) => seededBytes(seed, BLOCK));
    for (const bytes of files) await under.keep(bytes);
    const readAt: Record<number, number> = {};
    for (const index of [2, 0, 3, 1]) {
      under.pass(120_000);
      const name = nameOf(files[index] ?? Buffer.alloc(0));
      await bytesIn(under.tier, name, BLOCK);
      readAt[index] = await untilTouched(pathOf(under.root, name));
    }
    expect(new Set(Object.values(readAt)).size).toBe(4);
    // Room for two: what was read before the others is gone.
    const next = await under.reopen(2 * BLOCK);
    const there = await Promise.all(
      files.map(async (bytes) => (await bytesIn(next, nameOf(bytes), BLOCK)) !== undefined),
    );
    expect(there).toEqual([false, true, false, true]);
    expect(await filesBelow(under.root)).toHaveLength(2);
  });

  test("drops everything when its limit is 0", async () => {
    await using under = await hotTier(64 * KIB);
    for (const seed of [1, 2, 3]) await under.keep(seededBytes(seed, BLOCK));
    await under.reopen(0);
    expect(await filesBelow(under.root)).toEqual([]);
    expect(await readdir(join(under.root, "sha256"))).toEqual([]);
  });

  test("removes what nothing would find again, and nothing else", async () => {
    await using under = await hotTier(64 * KIB);
    const bytes = randomBytes(100);
    await under.keep(bytes);
    const path = pathOf(under.root, nameOf(bytes));
    const { sha256: hex } = nameOf(bytes);
    const elsewhere = join(under.root, "sha256", "00", "zz", hex);
    await mkdir(elsewhere, { recursive: true });
    await mkdir(join(under.root, "sha256", hex.slice(0, 2), "00", hex), { recursive: true });
    await mkdir(`${path}0/deep`, { recursive: true });
    for (const surplus of [
      `${path}.orig`,
      join(dirname(path), "0001"),
      join(dirname(path), "9999999999999999"),
      join(elsewhere, "1"),
      join(under.root, "sha256", hex.slice(0, 2), "00", hex, "1"),
      join(under.root, "sha256", "aa"),
      join(under.root, "sha256", "README"),
      join(under.root, "incoming", "half"),
    ]) {
      await writeFile(surplus, "surplus");
    }
    const next = await under.reopen();
    expect(await filesBelow(under.root)).toEqual([{ path, size: 100 }]);
    expect(await readdir(join(under.root, "sha256"))).toEqual([hex.slice(0, 2)]);
    expect(await readdir(dirname(dirname(dirname(path))))).toEqual([hex.slice(2, 4)]);
    expect(await bytesIn(next, nameOf(bytes), 100)).toEqual(bytes);
  });

  test("does not take a file that was cut for a whole one", async () => {
    await using under = await hotTier(64 * KIB);
    const bytes = randomBytes(10_000);
    await under.keep(bytes);
    await truncate(pathOf(under.root, nameOf(bytes)), 5_000);
    const next = await under.reopen();
    expect(await next.open(nameOf(bytes), 10_000)).toBeUndefined();
    expect(await filesBelow(under.root)).toEqual([]);
  });

  test("says so when its directory is none", async () => {
    await using under = await hotTier(64 * KIB);
    await rm(join(under.root, "sha256"), { recursive: true });
    await writeFile(join(under.root, "sha256"), "a file where a directory belongs");
    await expect(under.reopen()).rejects.toMatchObject({ code: "store-unavailable" });
  });
});

/** The time of a file's last read, once it was noted: that happens in the background. */
async function untilTouched(path: string): Promise<number> {
  const written = Date.UTC(2026, 0, 2);
  for (;;) {
    const { mtimeMs } = await stat(path);
    // The injected clock is far from the machine's, by which the file was written.
    if (mtimeMs < written) return mtimeMs;
    await new Promise((resolve) => setImmediate(resolve));
  }
}
