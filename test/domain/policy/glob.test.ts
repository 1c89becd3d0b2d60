import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileGlob } from "../../../src/domain/policy/glob.ts";

describe("a glob", () => {
  test.each([
    ["*.example", "mirror.example", true],
    ["*.example", "a.b.example", false],
    ["**.example", "a.b.example", true],
    ["*.example", "example", false],
    ["mirror.example", "mirror.example.evil", false],
    ["mirror*.example", "mirror-7.example", true],
    ["/images/*", "/images/cirros", true],
    ["/images/*", "/images/a/cirros", false],
    ["/images/*", "/images/cirros.img", false],
    ["/images/*.img", "/images/cirros.img", true],
    ["/images/**", "/images/24.04/ubuntu-24.04.img", true],
    ["**.img", "/a/b.c/d.img", true],
    ["", "", true],
    ["**", "", true],
  ])("%s and %s: %s", (pattern, text, expected) => {
    expect(compileGlob(pattern, "/.").matches(text)).toBe(expected);
  });

  test("matches what a naive search through all possibilities matches", () => {
    const pattern = fc
      .array(fc.constantFrom("a", "b", ".", "/", "*", "**", "ab"), { maxLength: 8 })
      .map((all) => all.join(""));
    const text = fc.string({ unit: fc.constantFrom("a", "b", ".", "/"), maxLength: 10 });
    fc.assert(
      fc.property(pattern, text, fc.constantFrom("", "/."), (glob, value, separators) => {
        expect(compileGlob(glob, separators).matches(value)).toBe(naive(glob, value, separators));
      }),
      { numRuns: 5_000 },
    );
  });

  test("takes no longer than its length and the text's ask for, whatever the pattern", () => {
    const glob = compileGlob(`${"a*".repeat(15)}b`, "/.");
    const text = `${"a".repeat(4_000)}c`;
    const began = performance.now();
    for (let time = 0; time < 20; time += 1)
      expect(glob.matches(`${text}b`.replace("cb", "ccb").slice(0, -1))).toBe(false);
    expect(compileGlob(`${"a*".repeat(15)}b*`, "/.").matches(text)).toBe(false);
    expect(performance.now() - began).toBeLessThan(500);
  });

  test("costs next to nothing where one of its texts is missing: as many as a policy may have, and the longest URL", () => {
    const globs = Array.from({ length: 3_000 }, (_, n) => compileGlob(`/${"**a*".repeat(7)}b${n}**`, "/."));
    const text = `/${"a".repeat(4_000)}`;
    const began = performance.now();
    expect(globs.some((glob) => glob.matches(text))).toBe(false);
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

function naive(pattern: string, text: string, separators: string): boolean {
  if (pattern === "") return text === "";
  const run = /^\*+/.exec(pattern)?.[0];
  if (run === undefined)
    return text[0] === pattern[0] && text !== "" && naive(pattern.slice(1), text.slice(1), separators);
  const rest = pattern.slice(run.length);
  for (let taken = 0; taken <= text.length; taken += 1) {
    if (run.length === 1 && [...text.slice(0, taken)].some((char) => separators.includes(char))) break;
    if (naive(rest, text.slice(taken), separators)) return true;
  }
  return false;
}
