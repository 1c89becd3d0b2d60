import { createHash, randomBytes } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ALGORITHMS, type Algorithm } from "../../src/domain/digest.ts";
import type { Hasher, Hashing } from "../../src/domain/hasher.ts";

/** What every hasher does. */
export function hasherConformance(name: string, make: () => Hasher & AsyncDisposable): void {
  describe(`${name} is a hasher`, () => {
    test("computes every algorithm over any chunks, as node:crypto does", { timeout: 120_000 }, async () => {
      await using hasher = make();
      const chunks = fc.array(fc.oneof(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 0, max: 1_500_000 })), {
        maxLength: 6,
      });
      const algorithms = fc.subarray([...ALGORITHMS]);
      await fc.assert(
        fc.asyncProperty(chunks, algorithms, fc.boolean(), async (lengths, wanted, told) => {
          const parts = lengths.map((length) => randomBytes(length));
          const hashing = hasher.start(wanted);
          let left = lengths.reduce((sum, length) => sum + length, 0);
          for (const part of parts) {
            left -= part.length;
            await hashing.update(part, told ? left : undefined);
          }
          const all = new Set<Algorithm>(["sha256", ...wanted]);
          expect(await hashing.finish()).toEqual(expected(Buffer.concat(parts), all));
        }),
        { numRuns: 40 },
      );
    });

    test("tells the sha256 of every prefix and goes on", async () => {
      await using hasher = make();
      const hashing = hasher.start(["sha512"]);
      const whole = randomBytes(3_000_000);
      let from = 0;
      for (const to of [0, 1, 600_000, 600_000, 2_999_999]) {
        await feed(hashing, whole.subarray(from, to));
        expect(await hashing.prefix()).toBe(createHash("sha256").update(whole.subarray(0, to)).digest("hex"));
        from = to;
      }
      await feed(hashing, whole.subarray(from));
      expect(await hashing.finish()).toEqual(expected(whole, new Set(["sha256", "sha512"])));
    });

    test("a prefix that is asked for while an update waits includes that update, and nothing later", async () => {
      await using hasher = make();
      const hashing = hasher.start(["md5"]);
      const chunk = randomBytes(20_000_000);
      const later = randomBytes(1000);
      const wait = hashing.update(chunk);
      const prefix = hashing.prefix();
      await wait;
      await hashing.update(later);
      expect(await prefix).toBe(createHash("sha256").update(chunk).digest("hex"));
      expect(await hashing.finish()).toEqual(expected(Buffer.concat([chunk, later]), new Set(["sha256", "md5"])));
    });

    test("the caller may change a chunk once it was taken", async () => {
      await using hasher = make();
      const hashing = hasher.start([]);
      const chunk = randomBytes(100_000);
      const digests = expected(chunk, new Set(["sha256"]));
      await hashing.update(chunk);
      chunk.fill(0);
      expect(await hashing.finish()).toEqual(digests);
    });

    test("many streams at once, with some abandoned, all come to their own end", async () => {
      await using hasher = make();
      const chunk = randomBytes(150_000);
      await Promise.all(
        Array.from({ length: 120 }, async (_, index) => {
          const hashing = hasher.start(["md5"]);
          const copies = 1 + (index % 9);
          for (let count = 0; count < copies; count += 1) await hashing.update(chunk);
          if (index % 5 === 0) return hashing.abandon();
          const whole = Buffer.concat(Array.from({ length: copies }, () => chunk));
          expect(await hashing.finish()).toEqual(expected(whole, new Set(["sha256", "md5"])));
        }),
      );
    });

    test("streams that pause with a few bytes each keep no other from going on", async () => {
      await using hasher = make();
      const paused = Array.from({ length: 300 }, () => hasher.start([]));
      for (const hashing of paused) await hashing.update(Buffer.from("a"));
      const busy = hasher.start([]);
      const chunk = randomBytes(1_000_000);
      await feed(busy, chunk);
      expect(await busy.finish()).toEqual(expected(chunk, new Set(["sha256"])));
      for (const hashing of paused) {
        await hashing.update(Buffer.from("b"));
        expect(await hashing.finish()).toEqual(expected(Buffer.from("ab"), new Set(["sha256"])));
      }
    });

    test("a stream that was abandoned or finished takes nothing more", async () => {
      await using hasher = make();
      const abandoned = hasher.start([]);
      abandoned.abandon();
      abandoned.abandon();
      await expect(abandoned.update(Buffer.from("a"))).rejects.toMatchObject({ code: "fill-cancelled" });
      await expect(abandoned.finish()).rejects.toMatchObject({ code: "fill-cancelled" });
      const finished = hasher.start([]);
      await finished.finish();
      finished.abandon();
      await expect(finished.update(Buffer.from("a"))).rejects.toMatchObject({ code: "internal" });
    });

    test("what is under way when it is disposed of fails, and nothing starts any more", async () => {
      const hasher = make();
      const hashing = hasher.start(["md5"]);
      await hashing.update(randomBytes(100));
      const refused = expect(hashing.finish()).rejects.toMatchObject({ code: "shutting-down" });
      await hasher[Symbol.asyncDispose]();
      await refused;
      expect(() => hasher.start([])).toThrow(expect.objectContaining({ code: "shutting-down" }));
    });
  });
}

async function feed(hashing: Hashing, bytes: Uint8Array): Promise<void> {
  for (let offset = 0; offset < bytes.length; offset += 65_536) {
    await hashing.update(bytes.subarray(offset, offset + 65_536));
  }
}

function expected(bytes: Uint8Array, algorithms: ReadonlySet<Algorithm>): Record<string, string> {
  return Object.fromEntries([...algorithms].map((name) => [name, createHash(name).update(bytes).digest("hex")]));
}
