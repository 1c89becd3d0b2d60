import fc from "fast-check";
import { expect, test } from "vitest";
import { versionKey } from "../../src/catalog/version-key.ts";

const byBytes = (a: string, b: string) => Buffer.compare(Buffer.from(versionKey(a)), Buffer.from(versionKey(b)));

test("the byte order of keys is the precedence of versions, as semver.org lists it", () => {
  const ordered = [
    "0.0.0-0",
    "0.0.0",
    "0.9.0",
    "0.10.0",
    "1.0.0-alpha",
    "1.0.0-alpha.1",
    "1.0.0-alpha.beta",
    "1.0.0-beta",
    "1.0.0-beta.2",
    "1.0.0-beta.11",
    "1.0.0-rc.1",
    "1.0.0",
    "2.0.0",
    "2.1.0",
    "2.1.1",
    "10.0.0",
    "9007199254740993.0.0",
  ];
  const shuffled = ordered.toSorted((a, b) => a.length - b.length || a.localeCompare(b));
  expect(shuffled.toSorted(byBytes)).toEqual(ordered);
});

test("numeric identifiers come before others, and a prefix before what continues it", () => {
  const ordered = ["1.0.0--", "1.0.0--.0", "1.0.0--a", "1.0.0-A", "1.0.0-a", "1.0.0-a.1", "1.0.0-a-", "1.0.0-a0"];
  const numeric = ["1.0.0-0", "1.0.0-9", "1.0.0-10", "1.0.0-1a"];
  expect(ordered.toReversed().toSorted(byBytes)).toEqual(ordered);
  expect(numeric.toReversed().toSorted(byBytes)).toEqual(numeric);
});

test("build metadata does not count", () => {
  expect(versionKey("1.2.3+a")).toBe(versionKey("1.2.3+b.c"));
});

test("numbers compare as numbers, however long", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 10n ** 60n }), fc.bigInt({ min: 0n, max: 10n ** 60n }), (a, b) => {
      expect(Math.sign(byBytes(`1.${a}.0`, `1.${b}.0`))).toBe(a < b ? -1 : a > b ? 1 : 0);
    }),
  );
});

test.each(["1", "1.0", "1.0.0.0", "v1.0.0", "", "1.0.0-", `1.0.${"1".repeat(100)}`])("%s is refused", (version) => {
  expect(() => versionKey(version)).toThrow(expect.objectContaining({ code: "invalid-input" }));
});
