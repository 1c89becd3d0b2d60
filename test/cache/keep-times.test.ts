import { expect, test } from "vitest";
import { KeepTimes } from "../../src/cache/keep-times.ts";
import type { BlobId } from "../../src/domain/blob.ts";
import type { KeepTime } from "../../src/domain/content-catalog.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { compilePolicy } from "../../src/domain/policy/compile.ts";
import type { ScannedContent } from "../../src/domain/policy-scan.ts";
import { parsePolicyText } from "../../src/http/policy-body.ts";
import { ManualClock } from "../support/manual-clock.ts";

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ADMITTED = new Date("2026-01-01T00:00:00Z");
const STAY = new AbortController().signal;

function content(digest: string, ...hosts: readonly string[]): ScannedContent {
  const artifact = { type: "images", name: "debian", tags: [], owner: "alpha", visibility: "private" } as const;
  const records = hosts.map((host) => ({
    artifact,
    blob: {
      id: host as BlobId,
      location: { kind: "external", url: `https://${host}/a`, setBy: "admin" } as const,
      digests: {},
      size: 5,
    },
  }));
  return { sha256: sha256(digest.repeat(32)), size: 5, admittedAt: ADMITTED, held: false, records };
}

function policyOf(version: number, content: readonly object[]) {
  return compilePolicy(parsePolicyText(JSON.stringify({ access: [], content })), version, "cache");
}

test("each content is kept as the longest of its records asks, and anew when the policy is another one", async () => {
  const clock = new ManualClock();
  const told: KeepTime[][] = [];
  let policy = policyOf(1, [
    { name: "short", match: { origin: { hosts: ["short.example"] } }, min_age: "P1D", max_age: "P2D" },
    { name: "long", match: { origin: { hosts: ["long.example"] } }, pin_for: "P7D", max_age: "P9D" },
  ]);
  const contents = [
    content("ab", "short.example"),
    content("cd", "short.example", "long.example"),
    content("ef", "other.example"),
  ];
  const times = new KeepTimes({
    scan: { contents: async () => contents },
    ledger: { keep: async (page) => void told.push([...page]) },
    clock,
    policy: () => policy,
  });
  const after = (days: number) => new Date(ADMITTED.getTime() + days * DAY);
  await times.apply(STAY);
  expect(told.pop()?.map(({ keepUntil, dropAfter }) => [keepUntil, dropAfter])).toEqual([
    [after(1), after(2)],
    [after(7), after(9)],
    [undefined, undefined],
  ]);
  await times.apply(STAY);
  expect(told).toEqual([]);
  policy = policyOf(2, []);
  await times.apply(STAY);
  expect(told.pop()?.every(({ keepUntil, dropAfter }) => keepUntil === undefined && dropAfter === undefined)).toBe(
    true,
  );
  clock.advance(HOUR);
  await times.apply(STAY);
  expect(told).toHaveLength(1);
});
