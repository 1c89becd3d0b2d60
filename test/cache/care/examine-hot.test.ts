import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { examineHot } from "../../../src/cache/care/examine-hot.ts";
import { Pace } from "../../../src/cache/care/pace.ts";
import type { Fence } from "../../../src/domain/content.ts";
import type { ContentEntry, ContentState } from "../../../src/domain/content-inventory.ts";
import { WorkerHasher } from "../../../src/store/hasher/worker-hasher.ts";
import { systemClock } from "../../../src/telemetry/system-clock.ts";
import { hotTier, KIB } from "../../store/hot-tier-directory.ts";
import { nameOf } from "../../store/object-name.ts";

const never = new AbortController().signal;

/** What becomes of the local copy of a content whose row is so, and what is found of it. */
async function examined(state: ContentState, damaged = false, fence = 1) {
  await using under = await hotTier(1024 * KIB);
  await using hasher = new WorkerHasher();
  const bytes = randomBytes(10_000);
  const name = nameOf(bytes, 1);
  await under.keep(bytes, 1);
  const [entry] = under.tier.list();
  if (entry === undefined) throw new Error("the tier has kept nothing");
  const wrong = { ...name, sha256: nameOf(randomBytes(1)).sha256 };
  const looked = damaged ? { ...entry, name: wrong } : entry;
  const row = { object: { ...looked.name, fence: fence as Fence }, state, size: bytes.length } as ContentEntry;
  const ports = {
    hot: under.tier,
    hasher,
    pace: new Pace(systemClock, () => Number.POSITIVE_INFINITY),
    inventory: { find: async () => row, referrers: async () => [] },
    blobs: { resolve: async () => undefined },
    fills: { startStored: () => expect.unreachable(), ended: () => expect.unreachable() },
    events: { emit: () => undefined },
    onDamaged: async () => undefined,
  };
  const found = await examineHot(looked, ports, never);
  return { found, kept: under.tier.list().length === 1 };
}

test("I5: the local copy of quarantined content stays: it may be the only one that is whole", async () => {
  expect(await examined("quarantined")).toEqual({ found: "intact", kept: true });
});

test("a local copy of quarantined content that is damaged itself heals nothing", async () => {
  expect(await examined("quarantined", true)).toMatchObject({ found: "dropped" });
});

test("a local copy that no row names any more goes", async () => {
  expect(await examined("condemned")).toEqual({ found: "stale", kept: false });
  expect(await examined("admitted", false, 2)).toEqual({ found: "stale", kept: false });
});
