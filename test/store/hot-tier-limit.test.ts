import { execFile } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StoredObject } from "../../src/domain/content-store.ts";
import { requireProgram } from "../support/programs.ts";
import { mayMount, smallDisk } from "../support/small-disk.ts";
import { BLOCK, bytesIn, contentOf, filesBelow, hotTier, KIB, occupied, occupiedBelow } from "./hot-tier-directory.ts";
import { nameOf } from "./object-name.ts";
import { seededBytes } from "./seeded-bytes.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const CAN_MOUNT = await mayMount();

describe("the limit of a hot tier (I9)", () => {
  test("is never passed, whatever comes, goes and is read at the same time; and no room gets lost", async () => {
    const limit = 16 * BLOCK;
    const step = fc.record({
      what: fc.constantFrom("keep", "keep", "keep", "open", "close", "remove"),
      seed: fc.nat(12),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(step, { maxLength: 12 }), { maxLength: 8 }), async (rounds) => {
        await using under = await hotTier(limit);
        const bytesOf = (seed: number) => seededBytes(seed, 4 * Math.ceil((seed * BLOCK) / 12));
        const readers: { object: StoredObject; seed: number }[] = [];
        const run = async ({ what, seed }: { what: string; seed: number }) => {
          const bytes = bytesOf(seed);
          if (what === "keep") await under.keep(bytes);
          if (what === "remove") await under.tier.remove(nameOf(bytes));
          if (what === "close") await readers.shift()?.object[Symbol.asyncDispose]();
          if (what !== "open") return;
          const object = await under.tier.open(nameOf(bytes), bytes.length);
          if (object !== undefined) readers.push({ object, seed });
        };
        for (const round of rounds) {
          await Promise.all(round.map(run));
          expect(await occupiedBelow(under.root)).toBeLessThanOrEqual(limit);
          for (const { object, seed } of readers) expect(await contentOf(object)).toEqual(bytesOf(seed));
        }
        await Promise.all(readers.map(({ object }) => object[Symbol.asyncDispose]()));
        for (let seed = 100; seed < 116; seed += 1) expect(await under.keep(seededBytes(seed, BLOCK))).toBe(true);
        expect(await filesBelow(under.root)).toHaveLength(16);
      }),
      { numRuns: 60 },
    );
  });

  test.skipIf(!requireProgram("strace"))(
    "is not passed at any moment between two system calls",
    { timeout: 60_000 },
    async () => {
      const [limit, count] = [1024 * KIB, 300];
      await using directory = await temporaryDirectory();
      const trace = join(directory.path, "trace");
      const strace = ["-f", "-o", trace, "-e", "trace=rename,renameat,renameat2,unlink,unlinkat"];
      const herd = [new URL("./hot-tier-herd.ts", import.meta.url).pathname, directory.path, `${limit}`, `${count}`];
      const { stdout } = await promisify(execFile)("strace", [...strace, process.execPath, ...herd]);
      const sizes = new Map(
        stdout
          .trim()
          .split("\n")
          .map((line) => line.split(" ") as [string, string]),
      );
      const fills = replay((await readFile(trace, "utf8")).split("\n"), join(directory.path, "hot"), sizes);
      expect(sizes.size).toBe(count);
      expect(Math.max(...fills)).toBeGreaterThan(limit / 2);
      expect(Math.max(...fills)).toBeLessThanOrEqual(limit);
      expect(fills.at(-1)).toBe(await occupiedBelow(join(directory.path, "hot")));
    },
  );

  test.skipIf(!CAN_MOUNT)(
    "on a disk of its own a copy is taken; a full one keeps nothing and loses nothing",
    async () => {
      await using disk = await smallDisk(1024 * KIB);
      await using under = await hotTier(4096 * KIB, disk.path);
      const first = randomBytes(600 * KIB);
      expect(await under.keep(first)).toBe(true);
      expect(await under.keep(randomBytes(600 * KIB))).toBe(false);
      expect(await readdir(join(disk.path, "incoming"))).toEqual([]);
      expect(await bytesIn(under.tier, nameOf(first), first.length)).toEqual(first);
      await under.tier.remove(nameOf(first));
      const second = randomBytes(600 * KIB);
      expect(await under.keep(second)).toBe(true);
      expect(await bytesIn(under.tier, nameOf(second), second.length)).toEqual(second);
    },
  );
});

/** Bytes in the tier after each call: a move counts from its beginning, a deletion from its end. */
function replay(lines: readonly string[], root: string, sizes: ReadonlyMap<string, string>): number[] {
  const fills: number[] = [];
  const pending = new Map<string, string>();
  let fill = 0;
  const step = (path: string, sign: 1 | -1) => {
    fill += sign * occupied(Number(sizes.get(path.slice(path.lastIndexOf("/") + 1))));
    fills.push(fill);
  };
  for (const line of lines) {
    const [pid = ""] = line.split(" ", 1);
    const object = line
      .match(/"([^"]+)"/g)
      ?.at(-1)
      ?.slice(1, -1);
    const began = object?.startsWith(`${root}/sha256/`) ? object : undefined;
    if (began !== undefined && /\brename/.test(line)) {
      if (!/ = -1 /.test(line)) step(began, 1);
      if (/unfinished/.test(line)) pending.set(pid, `moved ${began}`);
    } else if (began !== undefined && /unfinished/.test(line)) pending.set(pid, began);
    else if (began !== undefined && / = 0$/.test(line)) step(began, -1);
    else if (/resumed/.test(line)) {
      const path = pending.get(pid);
      pending.delete(pid);
      const moved = path?.startsWith("moved ") === true;
      const succeeded = / = 0$/.test(line);
      if (path !== undefined && moved !== succeeded) step(path.replace("moved ", ""), -1);
    }
  }
  return fills;
}
