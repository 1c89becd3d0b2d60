import { expect, test } from "vitest";
import { keepLease, LEASE_TERM_MS } from "../../src/cache/lease-keeper.ts";
import type { Fence } from "../../src/domain/content.ts";
import { CisternError } from "../../src/domain/errors.ts";
import type { Lease, Leases } from "../../src/domain/lease.ts";
import { but } from "../support/but.ts";
import { ManualClock } from "../support/manual-clock.ts";

const LEASE: Lease = { key: "k", fence: 1 as Fence, holder: "http://a#1" };

/** Leases whose renewals the test answers, one after the other. */
function scripted(...answers: (() => Promise<boolean>)[]) {
  const seen: string[] = [];
  const none = (): never => expect.unreachable("not asked here");
  const leases: Leases = {
    take: none,
    takeOver: none,
    find: none,
    releaseAll: none,
    renew: (lease, milliseconds) => {
      seen.push(`renew ${lease.fence} for ${milliseconds}`);
      return (answers.shift() ?? (() => Promise.resolve(true)))();
    },
    release: async (lease) => {
      seen.push(`release ${lease.fence}`);
    },
  };
  return { leases, seen };
}

async function pass(clock: ManualClock, milliseconds: number): Promise<void> {
  await expect.poll(() => clock.sleeping).toBe(1);
  clock.advance(milliseconds);
}

const unavailable = () => Promise.reject(new CisternError("catalog-unavailable", "away"));

test("a lease is renewed three times a term, and ended with its keeper", async () => {
  const clock = new ManualClock();
  const { leases, seen } = scripted();
  {
    await using kept = keepLease({ leases, clock }, LEASE);
    for (let turn = 1; turn <= 2; turn += 1) {
      await pass(clock, LEASE_TERM_MS / 3);
      await expect.poll(() => seen.length).toBe(turn);
    }
    expect(kept.lost.aborted).toBe(false);
  }
  expect(seen).toEqual(["renew 1 for 10000", "renew 1 for 10000", "release 1"]);
});

test("I7: a catalog that is away is no loss", async () => {
  const clock = new ManualClock();
  const { leases, seen } = scripted(unavailable, unavailable);
  await using kept = keepLease({ leases, clock }, LEASE);
  for (let turn = 1; turn <= 3; turn += 1) {
    await pass(clock, LEASE_TERM_MS / 3);
    await expect.poll(() => seen.length).toBe(turn);
  }
  expect(kept.lost.aborted).toBe(false);
});

test("a lease that somebody else has is lost: it is renewed no more, and not ended", async () => {
  const clock = new ManualClock();
  const { leases, seen } = scripted(() => Promise.resolve(false));
  {
    await using kept = keepLease({ leases, clock }, LEASE);
    await pass(clock, LEASE_TERM_MS / 3);
    await expect.poll(() => kept.lost.aborted).toBe(true);
    expect(clock.sleeping).toBe(0);
  }
  expect(seen).toEqual(["renew 1 for 10000"]);
});

test("a renewal that gets no answer does not keep the lease from being ended", async () => {
  const clock = new ManualClock();
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const { leases, seen } = scripted(() => promise);
  const kept = keepLease({ leases, clock }, LEASE);
  await pass(clock, LEASE_TERM_MS / 3);
  await expect.poll(() => seen.length).toBe(1);
  const ended = kept[Symbol.asyncDispose]();
  await expect.poll(() => seen.at(-1)).toBe("release 1");
  // It was ended, so that it is nobody's any more: which is no loss.
  resolve(false);
  await ended;
  expect(kept.lost.aborted).toBe(false);
});

test("a lease that cannot be ended runs out by itself", async () => {
  const clock = new ManualClock();
  const { leases } = scripted();
  const kept = keepLease({ leases: but(leases, { release: unavailable }), clock }, LEASE);
  await kept[Symbol.asyncDispose]();
});
