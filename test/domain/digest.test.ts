import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  ALGORITHMS,
  contradiction,
  hasAnyDigest,
  hasStrongDigest,
  parseDigest,
  sha256,
} from "../../src/domain/digest.ts";
import { isCisternError } from "../../src/domain/errors.ts";

const LENGTH = { md5: 32, sha1: 40, sha256: 64, sha512: 128 };
const hex = (length: number) =>
  fc.string({ unit: fc.constantFrom(..."0123456789abcdefABCDEF"), minLength: length, maxLength: length });

describe("a checksum", () => {
  test.each(ALGORITHMS)("of %s is kept in lower case", (algorithm) => {
    fc.assert(
      fc.property(hex(LENGTH[algorithm]), (text) => {
        expect(parseDigest(algorithm, text, "x")).toBe(text.toLowerCase());
      }),
    );
  });

  test("of any other form is refused with the field and the number of digits", () => {
    fc.assert(
      fc.property(fc.constantFrom(...ALGORITHMS), fc.string({ maxLength: 200 }), (algorithm, text) => {
        fc.pre(!(text.length === LENGTH[algorithm] && /^[0-9a-f]+$/i.test(text)));
        try {
          parseDigest(algorithm, text, "location.x");
          expect.unreachable();
        } catch (error) {
          if (!isCisternError(error, "invalid-input")) throw error;
          expect(error.fields).toEqual([
            { field: "location.x", rule: `must be ${LENGTH[algorithm]} hexadecimal digits` },
          ]);
        }
      }),
    );
  });

  test("with a letter that only folds to a digit's case is refused", () => {
    // U+212A (Kelvin) lower-cases to k; nothing outside of ASCII may become a digit.
    expect(() => parseDigest("md5", "\u212a".repeat(32), "x")).toThrow(/hexadecimal/);
    expect(() => sha256("A".repeat(64))).toThrow(TypeError);
  });

  test("of one content never contradicts itself; the first that differs is named", () => {
    const a = { md5: "0".repeat(32), sha512: "1".repeat(128) };
    expect(contradiction(a, a)).toBeUndefined();
    expect(contradiction(a, { sha1: "2".repeat(40) })).toBeUndefined();
    expect(contradiction(a, { md5: "0".repeat(32), sha512: "2".repeat(128) })).toBe("sha512");
  });

  test("of md5 or sha1 is a digest, but not a strong one", () => {
    expect(hasAnyDigest({})).toBe(false);
    for (const weak of [{ md5: "0".repeat(32) }, { sha1: "0".repeat(40) }]) {
      expect(hasAnyDigest(weak)).toBe(true);
      expect(hasStrongDigest(weak)).toBe(false);
    }
    expect(hasStrongDigest({ sha512: "0".repeat(128) })).toBe(true);
  });
});
