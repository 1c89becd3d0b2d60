import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { BlobBody } from "../../src/cache/body.ts";
import { Fill } from "../../src/cache/fill.ts";
import { Follower, HELD_BACK } from "../../src/cache/follow.ts";
import { ReadBudget } from "../../src/cache/read-budget.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { CisternError } from "../../src/domain/errors.ts";

const SIZE = 256 * 1024;
const BYTES = randomBytes(SIZE);
const VERDICT = { digests: { sha256: sha256("ab".repeat(32)) }, size: SIZE };
const budget = new ReadBudget(1 << 20);

/** A fill without a disk: its recent bytes are all in memory. */
function fillOf(size: number | undefined): Fill {
  const plan = { key: "k", domain: "k", project: "p", sources: [], digests: {}, size, keep: true, image: false };
  const fill = new Fill("fill-1", plan, 0, () => 4 * 1024 * 1024);
  fill.begin(undefined, 0);
  fill.open(size);
  return fill;
}

/** Takes what can be had without waiting for the fill. */
async function takeReady(body: BlobBody): Promise<Buffer> {
  const taken: Uint8Array[] = [];
  for (;;) {
    const next = body.next(64 * 1024);
    const idle = new Promise<"idle">((resolve) => setImmediate(() => resolve("idle")));
    const piece = await Promise.race([next, idle]);
    if (piece === "idle" || piece === undefined) {
      void next.catch(() => undefined);
      return Buffer.concat(taken);
    }
    taken.push(...piece.chunks);
    piece.release();
  }
}

describe("I1: a follower before the verdict", () => {
  test("gets all but the last 64 KiB of its range, and the rest at once when the content has passed", async () => {
    const fill = fillOf(SIZE);
    using follower = new Follower(fill, 0, SIZE, budget, "c");
    fill.push(BYTES);
    const early = await takeReady(follower);
    expect(early.equals(BYTES.subarray(0, SIZE - HELD_BACK))).toBe(true);
  });

  test("a range in the middle keeps its own last 64 KiB back", async () => {
    const fill = fillOf(SIZE);
    using follower = new Follower(fill, 1_000, 1_000 + 100_000, budget, "c");
    fill.push(BYTES);
    const early = await takeReady(follower);
    expect(early.equals(BYTES.subarray(1_000, 1_000 + 100_000 - HELD_BACK))).toBe(true);
  });

  test("with an unknown size it trails 64 KiB behind what has arrived", async () => {
    const fill = fillOf(undefined);
    using follower = new Follower(fill, 0, undefined, budget, "c");
    fill.push(BYTES);
    expect((await takeReady(follower)).length).toBe(SIZE - HELD_BACK);
  });

  test("every byte comes after the verdict, then the end", async () => {
    const fill = fillOf(SIZE);
    using follower = new Follower(fill, 0, SIZE, budget, "c");
    fill.push(BYTES);
    fill.pass(VERDICT);
    expect((await takeReady(follower)).equals(BYTES)).toBe(true);
    expect(await follower.next(1)).toBeUndefined();
  });

  test("a fill that fails cuts it, though bytes are there to be had", async () => {
    const fill = fillOf(SIZE);
    using follower = new Follower(fill, 0, SIZE, budget, "c");
    fill.push(BYTES);
    await follower.next(1_000);
    fill.fail(new CisternError("digest-mismatch", "wrong"));
    await expect(follower.next(1_000)).rejects.toMatchObject({ code: "digest-mismatch" });
    expect([...fill.fed]).toEqual(["c"]);
  });
});

test("I1: nobody gets a first byte of a fill that is about to fail: its readers are being told of", async () => {
  const fill = fillOf(SIZE);
  using fed = new Follower(fill, 0, SIZE, budget, "c");
  using late = new Follower(fill, 0, SIZE, budget, "d");
  fill.push(BYTES);
  await fed.next(1_000);
  fill.failing = true;
  expect((await takeReady(late)).length).toBe(0);
  fill.fail(new CisternError("digest-mismatch", "wrong"));
  await expect(late.next(1_000)).rejects.toMatchObject({ code: "digest-mismatch" });
  expect([...fill.fed]).toEqual(["c"]);
});

describe("the held-back tail", () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("trickles a byte every 10 s, never the last one", async () => {
    const fill = fillOf(SIZE);
    using follower = new Follower(fill, SIZE - 3, SIZE, budget, "c");
    fill.push(BYTES);
    for (const expected of [1, 1]) {
      const next = follower.next(1_000);
      await vi.advanceTimersByTimeAsync(10_000);
      expect((await next)?.bytes).toBe(expected);
    }
    let ended = false;
    const last = follower.next(1_000).then((piece) => {
      ended = true;
      return piece;
    });
    await vi.advanceTimersByTimeAsync(120_000);
    expect(ended).toBe(false);
    fill.pass(VERDICT);
    await vi.runAllTimersAsync();
    expect((await last)?.bytes).toBe(1);
  });
});

test("I4: a reader that leaves while it waits ends its own waiting and nothing else", async () => {
  const fill = fillOf(SIZE);
  const leaver = new Follower(fill, 0, SIZE, budget, "c");
  using stayer = new Follower(fill, 0, SIZE, budget, "d");
  const waiting = leaver.next(1_000);
  leaver[Symbol.dispose]();
  expect(await waiting).toBeUndefined();
  fill.push(BYTES);
  fill.pass(VERDICT);
  expect((await takeReady(stayer)).equals(BYTES)).toBe(true);
  expect(fill.readers.size).toBe(1);
});
