import { randomBytes, randomInt } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ObjectName } from "../../src/domain/content.ts";
import type { ContentStore } from "../../src/domain/content-store.ts";
import type { SpoolFile } from "../../src/domain/spool.ts";
import { nameOf } from "../store/object-name.ts";
import { putObject } from "../support/put-object.ts";

export interface ContentStoreUnderTest extends AsyncDisposable {
  readonly store: ContentStore;
  /** Whether an object that is open can be read after its removal. */
  readonly readersOutliveRemoval: boolean;
  /** An empty spool file. */
  spool(): Promise<SpoolFile>;
  /** A sealed spool file with these bytes. */
  spooled(bytes: Uint8Array): Promise<SpoolFile>;
  /** How many writers have left something behind that is not an object. */
  unfinished(): Promise<number>;
}

const MIB = 1 << 20;

const never = new AbortController().signal;

/** What every content store does; `make` answers an empty one. */
export function contentStoreConformance(name: string, make: () => Promise<ContentStoreUnderTest>): void {
  describe(`${name} is a content store`, () => {
    test("an object that was never admitted is absent", async () => {
      await using under = await make();
      expect(await under.store.open(nameOf(randomBytes(8)), 8)).toBeUndefined();
    });

    const sizes = [0, 1, 4096, 3_000_001, 5 * MIB - 1, 5 * MIB, 5 * MIB + 1];
    test.each([...sizes, 16 * MIB - 1, 16 * MIB, 16 * MIB + 1, 40 * MIB])(
      "gives back the %d bytes that were admitted",
      async (length) => {
        await using under = await make();
        const bytes = randomBytes(length);
        const object = await admit(under, bytes);
        expect((await contentOf(under.store, object, length))?.equals(bytes)).toBe(true);
        expect(await listed(under.store)).toEqual([text(object)]);
        expect(await under.unfinished()).toBe(0);
      },
    );

    test.each([
      ["known", 40 * MIB + 5],
      ["unknown", undefined],
      ["announced wrongly", 3 * MIB],
    ])("takes a spool while it grows, its size %s, and shows nothing before commit", async (_, size) => {
      await using under = await make();
      const bytes = randomBytes(40 * MIB + 5);
      await using spool = await under.spool();
      const object = nameOf(bytes);
      await using staging = under.store.stage(object, spool, size);
      for (let offset = 0; offset < bytes.length; offset += MIB) {
        await spool.append(bytes.subarray(offset, offset + MIB));
        staging.advance(spool.written);
      }
      await spool.seal();
      staging.advance(spool.written);
      expect(await under.store.open(object, bytes.length)).toBeUndefined();
      expect(await listed(under.store)).toEqual([]);
      await staging.commit(never);
      expect((await contentOf(under.store, object, bytes.length))?.equals(bytes)).toBe(true);
      expect(await under.unfinished()).toBe(0);
    });

    test("what is announced as larger than it is comes in whole all the same", async () => {
      await using under = await make();
      const bytes = randomBytes(MIB);
      await using spool = await under.spooled(bytes);
      await using staging = under.store.stage(nameOf(bytes), spool, 64 * MIB);
      await staging.commit(never);
      expect((await contentOf(under.store, nameOf(bytes), MIB))?.equals(bytes)).toBe(true);
    });

    test("a staging that is given up leaves nothing behind, however far it has come", async () => {
      await using under = await make();
      const bytes = randomBytes(40 * MIB);
      for (const advanced of [0, MIB, 16 * MIB, 33 * MIB, 40 * MIB]) {
        await using spool = await under.spooled(bytes);
        const staging = under.store.stage(nameOf(bytes), spool, bytes.length);
        staging.advance(advanced);
        await staging[Symbol.asyncDispose]();
        await staging[Symbol.asyncDispose]();
      }
      expect(await listed(under.store)).toEqual([]);
      expect(await under.unfinished()).toBe(0);
    });

    test("reads at any offset, and fewer bytes than asked only at the end", async () => {
      await using under = await make();
      const bytes = randomBytes(10_000);
      await using opened = await under.store.open(await admit(under, bytes), 10_000);
      const into = Buffer.alloc(4000);
      expect(await opened?.read(into, 1234)).toBe(4000);
      expect(into.equals(bytes.subarray(1234, 5234))).toBe(true);
      expect(await opened?.read(into, 9999)).toBe(1);
      expect(into[0]).toBe(bytes[9999]);
      expect(await opened?.read(into, 10_000)).toBe(0);
    });

    test("reads at random offsets and of random lengths, at the same time, each get their bytes", async () => {
      await using under = await make();
      const bytes = randomBytes(20 * MIB);
      await using opened = await under.store.open(await admit(under, bytes), bytes.length);
      const wrong = await Promise.all(
        Array.from({ length: 100 }, async () => {
          const offset = randomInt(bytes.length);
          const into = Buffer.alloc(randomInt(1, 300_000));
          const read = (await opened?.read(into, offset)) ?? 0;
          const expected = bytes.subarray(offset, offset + into.length);
          return read === expected.length && into.subarray(0, read).equals(expected) ? [] : [offset];
        }),
      );
      expect(wrong.flat()).toEqual([]);
    });

    test("reads block by block, with jumps in between, give the bytes in their order", async () => {
      await using under = await make();
      const bytes = randomBytes(20 * MIB + 3);
      await using opened = await under.store.open(await admit(under, bytes), bytes.length);
      const into = Buffer.alloc(MIB);
      const starts = [...Array(21).keys(), 4, 5, 6, 0, 1, 20];
      for (const start of starts) {
        const read = (await opened?.read(into, start * MIB)) ?? 0;
        expect(into.subarray(0, read).equals(bytes.subarray(start * MIB, (start + 1) * MIB))).toBe(true);
      }
    });

    test("reads at the same time do not disturb each other", async () => {
      await using under = await make();
      const bytes = randomBytes(1 << 20);
      await using opened = await under.store.open(await admit(under, bytes), bytes.length);
      const pieces = await Promise.all(
        Array.from({ length: 64 }, async (_, index) => {
          const into = Buffer.alloc(16_384);
          await opened?.read(into, index * 16_384);
          return into;
        }),
      );
      expect(Buffer.concat(pieces).equals(bytes)).toBe(true);
    });

    test("an object of another size than recorded counts as absent", async () => {
      await using under = await make();
      const object = await admit(under, randomBytes(100));
      expect(await under.store.open(object, 99)).toBeUndefined();
      expect(await under.store.open(object, 101)).toBeUndefined();
    });

    test("generations of one content are objects of their own", async () => {
      await using under = await make();
      const bytes = randomBytes(50);
      const old = await admit(under, bytes, 1);
      const young = await admit(under, bytes, 2);
      await under.store.remove(old);
      expect(await contentOf(under.store, old, 50)).toBeUndefined();
      expect(await contentOf(under.store, young, 50)).toEqual(bytes);
    });

    test("readers of the spool go on while the store takes it, and its discard is no error", async () => {
      await using under = await make();
      const bytes = randomBytes(5000);
      await using spool = await under.spooled(bytes);
      await putObject(under.store, nameOf(bytes), spool, never);
      await spool.discard();
      const into = Buffer.alloc(5000);
      expect(await spool.read(into, 0)).toBe(5000);
      expect(into.equals(bytes)).toBe(true);
      expect(await contentOf(under.store, nameOf(bytes), 5000)).toEqual(bytes);
    });

    test("an open object that is removed stays readable, or fails: it never ends early", async () => {
      await using under = await make();
      const bytes = randomBytes(5000);
      const object = await admit(under, bytes);
      await using opened = await under.store.open(object, 5000);
      await under.store.remove(object);
      const into = Buffer.alloc(5000);
      if (!under.readersOutliveRemoval) {
        await expect(opened?.read(into, 0)).rejects.toMatchObject({ code: "store-unavailable" });
        return;
      }
      expect(await opened?.read(into, 0)).toBe(5000);
      expect(into.equals(bytes)).toBe(true);
    });

    test("answers a ping, and a sweep of writers that are alive takes nothing from them", async () => {
      await using under = await make();
      await under.store.ping(never);
      const bytes = randomBytes(40 * MIB);
      await using spool = await under.spooled(bytes);
      await using staging = under.store.stage(nameOf(bytes), spool, bytes.length);
      staging.advance(20 * MIB);
      expect(await under.store.sweep(new Date(Date.now() - 3_600_000), never)).toBe(0);
      await staging.commit(never);
      expect((await contentOf(under.store, nameOf(bytes), bytes.length))?.equals(bytes)).toBe(true);
    });

    test("removing what is not there is success", async () => {
      await using under = await make();
      const object = await admit(under, randomBytes(10));
      await under.store.remove(object);
      await under.store.remove(object);
      await under.store.remove(nameOf(randomBytes(10)));
      expect(await listed(under.store)).toEqual([]);
    });

    test("lists every object and nothing else", async () => {
      await using under = await make();
      const objects = [];
      for (let count = 0; count < 20; count += 1) objects.push(await admit(under, randomBytes(count), count));
      expect(await listed(under.store)).toEqual(objects.map(text).sort());
    });

    test("a list ends when it is aborted", async () => {
      await using under = await make();
      await admit(under, randomBytes(10));
      await expect(listed(under.store, AbortSignal.abort(new Error("enough")))).rejects.toThrow("enough");
    });

    test("an admission that is aborted leaves nothing behind", async () => {
      await using under = await make();
      await using spool = await under.spooled(randomBytes(10));
      const object = nameOf(randomBytes(10));
      await expect(putObject(under.store, object, spool, AbortSignal.abort(new Error("enough")))).rejects.toThrow(
        "enough",
      );
      expect(await listed(under.store)).toEqual([]);
    });

    test("admissions and removals of one content at the same time do not disturb each other", async () => {
      await using under = await make();
      const bytes = randomBytes(100);
      await Promise.all(
        Array.from({ length: 60 }, async (_, fence) => {
          const object = await admit(under, bytes, fence);
          expect(await contentOf(under.store, object, 100)).toEqual(bytes);
          await under.store.remove(object);
        }),
      );
      expect(await listed(under.store)).toEqual([]);
    });
  });
}

/** Everything that an object holds; undefined when it is absent. */
export async function contentOf(store: ContentStore, name: ObjectName, size: number): Promise<Buffer | undefined> {
  await using opened = await store.open(name, size);
  if (opened === undefined) return undefined;
  const into = Buffer.alloc(size);
  const read = await opened.read(into, 0);
  return into.subarray(0, read);
}

async function admit(under: ContentStoreUnderTest, bytes: Uint8Array, fence = 1): Promise<ObjectName> {
  await using spool = await under.spooled(bytes);
  const object = nameOf(bytes, fence);
  await putObject(under.store, object, spool, never);
  await spool.discard();
  return object;
}

async function listed(store: ContentStore, signal = never): Promise<string[]> {
  const names: string[] = [];
  for await (const name of store.list(signal)) names.push(text(name));
  return names.sort();
}

function text({ sha256, fence }: ObjectName): string {
  return `${sha256}/${fence}`;
}
