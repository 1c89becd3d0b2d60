import { describe, expect, test } from "vitest";
import { BLOCK, BlockCache } from "../../src/cache/block-cache.ts";
import { ReadBudget } from "../../src/cache/read-budget.ts";
import { CisternError } from "../../src/domain/errors.ts";

/** A read that ends when the test says so, counted. */
function gate(byte: number) {
  const { promise, resolve } = Promise.withResolvers<void>();
  const state = { reads: 0, open: resolve };
  const read = async (into: Buffer) => {
    state.reads += 1;
    await promise;
    into.fill(byte);
    return into.length;
  };
  return { state, read };
}

describe("blocks of admitted content", () => {
  test("a herd on one block reads it once, and all get its bytes", async () => {
    const cache = new BlockCache(4 * BLOCK, new ReadBudget(64 * BLOCK));
    const { state, read } = gate(7);
    const herd = Array.from({ length: 50 }, () => cache.get("a/1", 0, BLOCK, read));
    state.open();
    const blocks = await Promise.all(herd);
    expect(state.reads).toBe(1);
    expect(blocks.every((block) => block.bytes.length === BLOCK && block.bytes[BLOCK - 1] === 7)).toBe(true);
    for (const block of blocks) block.release();
    expect(cache.has("a/1", 0)).toBe(true);
  });

  test("a block in use keeps its bytes though the cache has let go of it", async () => {
    const cache = new BlockCache(2 * BLOCK, new ReadBudget(64 * BLOCK));
    const fill = (byte: number) => async (into: Buffer) => into.fill(byte).length;
    const held = await cache.get("a/1", 0, BLOCK, fill(1));
    for (let index = 1; index < 10; index += 1) (await cache.get("a/1", index, BLOCK, fill(index + 1))).release();
    expect(cache.has("a/1", 0)).toBe(false);
    expect(held.bytes.every((byte) => byte === 1)).toBe(true);
    held.release();
  });

  test("a failed read fails all who wait for it and is tried again by the next", async () => {
    const cache = new BlockCache(2 * BLOCK, new ReadBudget(64 * BLOCK));
    const broken = async () => {
      throw new CisternError("store-unavailable", "gone");
    };
    const both = await Promise.allSettled([cache.get("a/1", 0, 10, broken), cache.get("a/1", 0, 10, broken)]);
    expect(both.map(({ status }) => status)).toEqual(["rejected", "rejected"]);
    const block = await cache.get("a/1", 0, 10, async (into) => into.fill(9).length);
    expect([...block.bytes]).toEqual(Array(10).fill(9));
  });

  test("a block that comes up short is no block", async () => {
    const cache = new BlockCache(2 * BLOCK, new ReadBudget(64 * BLOCK));
    await expect(cache.get("a/1", 0, 10, async () => 9)).rejects.toMatchObject({ code: "store-unavailable" });
  });
});

test("readers that stall leave small reads to the others, and never make them wait", () => {
  const budget = new ReadBudget(BLOCK);
  expect(budget.grant(BLOCK)).toBe(BLOCK);
  budget.hold(BLOCK);
  expect(budget.grant(BLOCK)).toBe(64 * 1024);
  budget.give(BLOCK);
  expect(budget.grant(BLOCK)).toBe(BLOCK);
});
