import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { brokenAt, jsonDepth } from "../../src/domain/json-place.ts";

describe("the place where JSON is broken", () => {
  test.each([
    ["", 1, 1],
    ["  ", 1, 3],
    ["nul", 1, 1],
    ["{", 1, 2],
    ["[1,]", 1, 4],
    ["[1 2]", 1, 4],
    ['{"a":1,}', 1, 8],
    ['{"a" 1}', 1, 6],
    ["{a:1}", 1, 2],
    ['{"a":1}}', 1, 8],
    ['{"a":\n  tru}', 2, 3],
    ['["a\nb"]', 1, 2],
    ['["\\x"]', 1, 2],
    ["[01]", 1, 3],
    ["[1.]", 1, 3],
    ["{]", 1, 2],
    ["[}", 1, 2],
    ["true false", 1, 6],
    ["'a'", 1, 1],
  ])("%j: line %i, column %i", (text, line, column) => {
    expect(brokenAt(text)).toEqual({ line, column });
    expect(() => JSON.parse(text)).toThrow(SyntaxError);
  });

  test("is never past the end, and always where a valid text was cut or spoilt", () => {
    fc.assert(
      fc.property(
        fc.json(),
        fc.nat(),
        fc.constantFrom("", "}", "]", ",", ":", "x", '"', "\u0000"),
        (json, where, junk) => {
          const at = where % (json.length + 1);
          const text = json.slice(0, at) + junk;
          fc.pre(!parses(text));
          const { line, column } = brokenAt(text);
          const lines = text.split("\n");
          expect(line).toBeLessThanOrEqual(lines.length);
          expect(column).toBeLessThanOrEqual((lines[line - 1] ?? "").length + 1);
        },
      ),
      { numRuns: 500 },
    );
  });

  test("is found in a megabyte in no time", () => {
    const began = performance.now();
    brokenAt(`[${"[],".repeat(340_000)}`);
    brokenAt(`"${"\\".repeat(1_000_000)}`);
    jsonDepth(`"${"\\".repeat(1_000_001)}`);
    jsonDepth("[".repeat(1_000_000));
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});

describe("the depth of JSON", () => {
  test.each([
    ["1", 0],
    ["[]", 1],
    ['{"a":[{}]}', 3],
    ['"[[[["', 0],
    ['["\\"[[["]', 1],
    ["[[],[],[]]", 2],
    ['[["\\\\"]', 2],
    ['[["\\\\",[', 3],
    ['["[[[', 1],
    ['["\\', 1],
  ])("of %s is %i", (text, depth) => {
    expect(jsonDepth(text)).toBe(depth);
  });

  test("of a megabyte of escaped quotes in a string without an end is found in no time", () => {
    const began = performance.now();
    const escapes = '\\"'.repeat(1024 * 512);
    expect(jsonDepth(`"${escapes}`)).toBe(0);
    expect(jsonDepth(`${"[".repeat(1000)}"${escapes}`)).toBe(1000);
    expect(brokenAt(`"${escapes}`)).toEqual({ line: 1, column: 1 });
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

function parses(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
