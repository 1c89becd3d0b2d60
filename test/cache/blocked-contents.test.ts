import { expect, test } from "vitest";
import { BlockedContents } from "../../src/cache/blocked-contents.ts";
import type { Block } from "../../src/domain/blocks.ts";
import { type Sha256, sha256 } from "../../src/domain/digest.ts";

const DIGEST = sha256("ab".repeat(32));
const BLOCK: Block = { sha256: DIGEST, reason: "recalled", blockedBy: "admin", blockedAt: new Date(0) };

/** Blocks that answer when the test says so, in the order in which they were asked. */
function slowBlocks() {
  const answers: (() => void)[] = [];
  const later = <T>(value: T) => new Promise<T>((resolve) => answers.push(() => resolve(value)));
  const cut: Sha256[] = [];
  const there: Block[] = [];
  const blocks = { list: () => later([...there]), find: () => later(there[0]) };
  const blocked = new BlockedContents({ blocks, onBlocked: (digest) => void cut.push(digest) });
  return { blocked, answers, cut, put: (block: Block) => there.push(block) };
}

test("what is blocked while all blocks are being read stays blocked", async () => {
  const { blocked, answers, cut, put } = slowBlocks();
  // Read before the block was made; answered after it was heard of.
  const loading = blocked.load();
  await expect.poll(() => answers.length).toBe(1);
  const list = answers.shift();
  put(BLOCK);
  const looking = blocked.look(DIGEST);
  answers.shift()?.();
  list?.();
  await loading;
  await expect.poll(() => answers.shift()?.() ?? cut.length).toBe(1);
  await looking;
  expect(() => blocked.check(DIGEST)).toThrow(expect.objectContaining({ code: "content-blocked" }));
});

test("one look that fails keeps no later one from what it learns", async () => {
  let fails = true;
  const blocks = {
    list: async () => [BLOCK],
    find: async () => {
      if (fails) throw new Error("away");
      return BLOCK;
    },
  };
  const blocked = new BlockedContents({ blocks, onBlocked: () => undefined });
  const first = blocked.look(DIGEST);
  await expect(first).rejects.toThrow("away");
  fails = false;
  await blocked.look(DIGEST);
  expect(() => blocked.check(DIGEST)).toThrow();
});
