import fc from "fast-check";
import { expect, test } from "vitest";
import { formatBytes, parseBytes } from "../../src/config/bytes.ts";

test.each([
  ["0", 0],
  ["1048576", 2 ** 20],
  ["10GiB", 10 * 2 ** 30],
  ["10 gib", 10 * 2 ** 30],
  ["500MB", 5e8],
  ["1.5TiB", 1.5 * 2 ** 40],
  ["0.001kB", 1],
])("%s is %d bytes", (text, bytes) => {
  expect(parseBytes(text)).toBe(bytes);
});

test.each([
  "",
  "10 G",
  "10G",
  "ten",
  "-1",
  "1.5",
  "1e9",
  "0x10",
  "9007199254740993",
  "10GiBs",
  "10TiBx",
  "99999999TiB",
])("%j is no size", (text) => {
  expect(parseBytes(text)).toBeUndefined();
});

test("every integer is its own size, and what is shown of it parses to within its rounding", () => {
  fc.assert(
    fc.property(
      fc.maxSafeNat().filter((bytes) => bytes < 2 ** 52),
      (bytes) => {
        expect(parseBytes(String(bytes))).toBe(bytes);
        const shown = parseBytes(formatBytes(bytes)) ?? Number.NaN;
        expect(Math.abs(shown - bytes)).toBeLessThanOrEqual(bytes * 0.051);
      },
    ),
  );
});
