import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseText } from "../../src/domain/text.ts";

describe("a text that a caller gives", () => {
  test("is kept as it is when it can be kept", () => {
    fc.assert(
      fc.property(fc.string({ unit: "grapheme", maxLength: 20 }), (text) => {
        fc.pre(!/\p{Cc}/u.test(text));
        expect(parseText(text, "name", { max: 500 })).toBe(text);
      }),
    );
    expect(parseText("one\r\n\ttwo", "description", { max: 20, lines: true })).toBe("one\r\n\ttwo");
  });

  test.each<[unknown, string]>([
    [undefined, "must be a string"],
    [5, "must be a string"],
    ["", "must not be empty"],
    ["abcdef", "at most 5"],
    ["a\u0000", "control characters"],
    ["a\u007f", "control characters"],
    ["a\n", "control characters"],
    ["\udc00", "well-formed"],
  ])("%j is refused", (value, rule) => {
    expect(() => parseText(value, "name", { min: 1, max: 5 })).toThrow(rule);
  });

  test("with lines has no NUL either", () => {
    expect(() => parseText("a\u0000", "x", { max: 5, lines: true })).toThrow("control characters");
  });
});
