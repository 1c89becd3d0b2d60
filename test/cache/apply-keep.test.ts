import { expect, test } from "vitest";
import { applyKeep } from "../../src/cache/apply-keep.ts";
import { effectOn } from "../../src/cache/preview-contents.ts";
import type { BlobId } from "../../src/domain/blob.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { compilePolicy } from "../../src/domain/policy/compile.ts";
import type { KeptContent, PolicyScan, ScannedContent } from "../../src/domain/policy-scan.ts";
import { parsePolicy } from "../../src/http/policy-body.ts";

const DAY = 86_400_000;
const ADMITTED = new Date("2026-01-01T00:00:00Z");

const policyOf = (...content: object[]) => compilePolicy(parsePolicy({ access: [], content }).document, 1, "cache");

/** A content with a record of each of these names. */
function content(index: number, names: readonly string[], more: Partial<ScannedContent> = {}): ScannedContent {
  const records = names.map((name) => ({
    artifact: { type: "files", name, tags: [], owner: "p", visibility: "private" as const },
    blob: {
      id: `${index}-${name}` as BlobId,
      location: { kind: "external" as const, url: "https://a.example/x", setBy: "admin" as const },
      digests: {},
      size: 7,
    },
  }));
  const hex = sha256(index.toString(16).padStart(64, "0"));
  const times = { admittedAt: ADMITTED, keepUntil: undefined, dropAfter: undefined };
  return { sha256: hex, size: 7, held: false, records, ...times, ...more };
}

function scanOf(all: readonly ScannedContent[]): PolicyScan & { readonly kept: KeptContent[] } {
  const kept: KeptContent[] = [];
  return {
    kept,
    recordsOf: async () => [],
    records: async () => [],
    contents: async (after, limit) => all.filter((one) => after === undefined || one.sha256 > after).slice(0, limit),
    mayJoin: async () => false,
    keep: async (changes) => {
      kept.push(...changes);
      return changes.length;
    },
  };
}

const apply = (scan: PolicyScan, current: ReturnType<typeof policyOf>) =>
  applyKeep({ scan, policy: { current } }, AbortSignal.timeout(10_000));

test("among the records of a content the longest keep wins, in what is kept and what is shown before", async () => {
  const policy = policyOf(
    { name: "short", match: { artifact: { names: ["short"] } }, max_age: "P7D", min_age: "PT1H" },
    { name: "long", match: { artifact: { names: ["long"] } }, max_age: "P30D", min_age: "P2D", pin_for: "P1D" },
  );
  const all = [content(1, ["short"]), content(2, ["short", "long"]), content(3, ["long", "other"]), content(4, [])];
  const scan = scanOf(all);
  expect(await apply(scan, policy)).toBe(3);
  const at = (days: number) => new Date(ADMITTED.getTime() + days * DAY);
  expect(scan.kept.map(({ keepUntil, dropAfter }) => [keepUntil, dropAfter])).toEqual([
    [at(1 / 24), at(7)],
    [at(2), at(30)],
    // No rule limits the other record.
    [at(2), undefined],
  ]);
  const effects = all.map((one) => effectOn(one, policyOf(), policy, at(10))?.effects[0]?.effect);
  expect(effects).toEqual(["expires", "expires-sooner", undefined, undefined]);
});

test("what is kept as it should be is not written again; a content of many pages is not missed", async () => {
  const policy = policyOf({ name: "week", max_age: "P7D" });
  const dropAfter = new Date(ADMITTED.getTime() + 7 * DAY + 3);
  const all = Array.from({ length: 1_203 }, (_, index) => content(index, ["x"], index === 700 ? {} : { dropAfter }));
  const scan = scanOf(all);
  expect(await apply(scan, policy)).toBe(1);
  expect(scan.kept[0]?.sha256).toBe(all[700]?.sha256);
});

test("a rule that is gone gives back what it had limited, and what it had protected", async () => {
  const past = { dropAfter: new Date(ADMITTED.getTime() + DAY), keepUntil: new Date(ADMITTED.getTime() + DAY) };
  const scan = scanOf([content(1, ["x"], past)]);
  await apply(scan, policyOf());
  expect(scan.kept).toEqual([{ sha256: content(1, []).sha256, keepUntil: undefined, dropAfter: undefined }]);
  const before = policyOf({ name: "safe", min_age: "P30D" });
  const effects = effectOn(content(1, ["x"]), before, policyOf(), new Date(ADMITTED.getTime() + DAY))?.effects;
  expect(effects).toEqual([{ effect: "loses-protection", rule: "safe" }]);
});

test("what an operator has pinned loses nothing by a policy, but its readers", () => {
  const after = policyOf({ name: "short", max_age: "PT1H" });
  const late = new Date(ADMITTED.getTime() + DAY);
  expect(effectOn(content(1, ["x"], { held: true }), policyOf(), after, late)).toBeUndefined();
  const { document } = parsePolicy({ access: [{ name: "none", mode: "deny" }], content: [] });
  const denied = compilePolicy(document, 2, "cache");
  expect(effectOn(content(1, ["x"], { held: true }), policyOf(), denied, late)?.effects).toEqual([
    { effect: "denied", rule: "none" },
  ]);
});
