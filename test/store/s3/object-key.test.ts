import { randomBytes } from "node:crypto";
import { expect, test } from "vitest";
import { keyOf, nameOfKey } from "../../../src/store/s3/object-key.ts";
import { nameOf } from "../object-name.ts";

test("a name and its key are one", () => {
  const name = nameOf(randomBytes(8), 12_345);
  expect(keyOf(name)).toMatch(/^sha256\/([0-9a-f]{2})\/([0-9a-f]{2})\/\1\2[0-9a-f]{60}\/12345$/);
  expect(nameOfKey(keyOf(name))).toEqual(name);
});

test.each([
  "cistern.json",
  `sha256/aa/bb/${"a".repeat(64)}/1`,
  `sha256/aa/aa/${"a".repeat(64)}/01`,
  `sha256/aa/aa/${"a".repeat(64)}/9999999999999999`,
  `sha256/aa/aa/${"a".repeat(64)}/1/2`,
  `sha256/aa/aa/${"a".repeat(63)}/1`,
])("%s is no name of ours", (key) => {
  expect(nameOfKey(key)).toBeUndefined();
});
