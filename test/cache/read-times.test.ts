import { expect, test } from "vitest";
import { ReadTimes } from "../../src/cache/read-times.ts";
import type { Reads } from "../../src/domain/content-catalog.ts";
import { type Sha256, sha256 } from "../../src/domain/digest.ts";
import { ManualClock } from "../support/manual-clock.ts";

const CONTENTS = 1_000;
const all = Array.from({ length: CONTENTS }, (_, number) => sha256(number.toString(16).padStart(64, "0")));

/** Adds up what is noted; fails from the n-th statement on, until it may not. */
class Ledger {
  readonly counts = new Map<Sha256, number>();
  largest = 0;
  failsAfter = Number.POSITIVE_INFINITY;

  async touch(reads: ReadonlyMap<Sha256, Reads>): Promise<void> {
    this.failsAfter -= 1;
    if (this.failsAfter < 0) throw new Error("the catalog is away");
    this.largest = Math.max(this.largest, reads.size);
    for (const [name, { count }] of reads) this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }
}

test("each read is noted once, whatever fails on the way", async () => {
  const reads = new ReadTimes(new ManualClock());
  const ledger = new Ledger();
  for (const name of all) reads.note(name);
  ledger.failsAfter = 2;
  await expect(reads.flush(ledger)).rejects.toThrow("away");
  for (const name of all) reads.note(name);
  ledger.failsAfter = Number.POSITIVE_INFINITY;
  await reads.flush(ledger);
  await reads.flush(ledger);
  expect([...ledger.counts.values()]).toEqual(all.map(() => 2));
});

test("a statement writes no more than keeps an embedded catalog busy for a moment", async () => {
  const reads = new ReadTimes(new ManualClock());
  const ledger = new Ledger();
  for (const name of all) reads.note(name);
  await reads.flush(ledger);
  expect([ledger.counts.size, ledger.largest <= 250]).toEqual([CONTENTS, true]);
});
