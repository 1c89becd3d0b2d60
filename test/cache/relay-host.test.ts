import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { Fill } from "../../src/cache/fill.ts";
import { ReadBudget } from "../../src/cache/read-budget.ts";
import { FillRelay } from "../../src/cache/relay-host.ts";
import type { Fence } from "../../src/domain/content.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { CisternError } from "../../src/domain/errors.ts";

const SIZE = 256 * 1024;
const ONE = 1 as Fence;
const NEVER = new AbortController().signal;
const VERDICT = { digests: { sha256: sha256("ab".repeat(32)) }, size: SIZE };
const budget = new ReadBudget(1 << 20);

function someFill(): { fill: Fill; relay: FillRelay } {
  const plan = { key: "k", domain: "k", project: "p", sources: [], digests: {}, size: SIZE, keep: true, image: false };
  const fill = new Fill("fill-1", plan, 0, () => 4 * 1024 * 1024);
  fill.begin(undefined, 0);
  const named = (key: string) => (key === "k" && fill.failure === undefined ? fill : undefined);
  return { fill, relay: new FillRelay({ named }, budget) };
}

/** As a fill that has its lease, and whose source has answered. */
function fetching(): { fill: Fill; relay: FillRelay } {
  const { fill, relay } = someFill();
  fill.hold({ key: "k", fence: ONE, holder: "h" });
  fill.comesFrom({ url: "https://origin.example/a", validator: undefined });
  fill.open(SIZE);
  return { fill, relay };
}

test("a fill is relayed from an offset on, with what is known of it, to its verdict", async () => {
  const { fill, relay } = fetching();
  const bytes = randomBytes(SIZE);
  using relayed = await relay.find("k", ONE, 1000, NEVER);
  if (relayed === undefined) throw new Error("it was denied");
  expect([relayed.url, relayed.total]).toEqual(["https://origin.example/a", SIZE]);
  expect(() => relayed.verdict()).toThrow();
  fill.push(bytes);
  fill.pass(VERDICT);
  const got: Uint8Array[] = [];
  for (let piece = await relayed.next(SIZE); piece !== undefined; piece = await relayed.next(SIZE)) {
    got.push(...piece.chunks);
  }
  expect(Buffer.concat(got).equals(bytes.subarray(1000))).toBe(true);
  expect(relayed.verdict()).toEqual({ sha256: VERDICT.digests.sha256, size: SIZE });
  // Nobody here knows whom the other replica gave them to.
  expect([[...fill.fed], fill.fedUnknown]).toEqual([[], true]);
});

test("a fill of another name or fence is denied, and so is one that has failed", async () => {
  const { fill, relay } = fetching();
  expect(await relay.find("other", ONE, 0, NEVER)).toBeUndefined();
  expect(await relay.find("k", 2 as Fence, 0, NEVER)).toBeUndefined();
  fill.fail(new CisternError("origin-broken", "it broke"));
  expect(await relay.find("k", ONE, 0, NEVER)).toBeUndefined();
});

test("I3: a fill that has no lease yet is not denied: who is denied takes it away", async () => {
  const { fill, relay } = someFill();
  await expect(relay.find("k", ONE, 0, NEVER)).rejects.toMatchObject({ code: "origin-timeout" });
  const asked = relay.find("k", ONE, 0, NEVER);
  fill.hold({ key: "k", fence: ONE, holder: "h" });
  fill.comesFrom({ url: "https://origin.example/a", validator: undefined });
  fill.open(SIZE);
  using relayed = await asked;
  expect(relayed?.total).toBe(SIZE);
});

test("I1: a fill that is about to fail is not denied before its readers are told of", async () => {
  const { fill, relay } = fetching();
  fill.failing = true;
  await expect(relay.find("k", ONE, 0, NEVER)).rejects.toMatchObject({ code: "too-busy" });
  fill.fail(new CisternError("digest-mismatch", "wrong"));
  expect(await relay.find("k", ONE, 0, NEVER)).toBeUndefined();
});

test("a fill that fails while it is waited for is denied", async () => {
  const { fill, relay } = someFill();
  const asked = relay.find("k", ONE, 0, NEVER);
  fill.fail(new CisternError("origin-refused", "404"));
  expect(await asked).toBeUndefined();
});

test("a fill that found its content in the store relays nothing", async () => {
  const { fill, relay } = someFill();
  fill.hold({ key: "k", fence: ONE, holder: "h" });
  const asked = relay.find("k", ONE, 0, NEVER);
  fill.hold(undefined);
  fill.open(SIZE);
  expect(await asked).toBeUndefined();
  expect(fill.readers.size).toBe(0);
});

test("bytes that are gone, for there is no disk space, are no reason to take the fill away", async () => {
  const { fill, relay } = fetching();
  fill.push(randomBytes(SIZE / 2));
  fill.push(randomBytes(SIZE / 4));
  fill.dropBefore(SIZE / 2);
  await expect(relay.find("k", ONE, 0, NEVER)).rejects.toMatchObject({ code: "too-busy" });
  using relayed = await relay.find("k", ONE, SIZE / 2, NEVER);
  expect(relayed).toBeDefined();
});
