import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type Conditionals, evaluate, rangeHolds } from "../../src/domain/precondition.ts";

const NONE: Conditionals = {
  ifNoneMatch: undefined,
  ifModifiedSince: undefined,
  ifMatch: undefined,
  ifUnmodifiedSince: undefined,
  ifRange: undefined,
};
const CHANGED = new Date(Date.UTC(2026, 1, 3, 4, 5, 6, 789));
const CURRENT = { etag: '"abc"', lastModified: CHANGED };
const at = (seconds: number) => new Date(CHANGED.getTime() + seconds * 1000).toUTCString();

describe("conditional headers", () => {
  test.each<[Partial<Conditionals>, string]>([
    [{}, "proceed"],
    [{ ifNoneMatch: '"abc"' }, "not-modified"],
    [{ ifNoneMatch: 'W/"abc"' }, "not-modified"],
    [{ ifNoneMatch: '"x", "abc"' }, "not-modified"],
    [{ ifNoneMatch: "*" }, "not-modified"],
    [{ ifNoneMatch: '"x"' }, "proceed"],
    // RFC 9110 §13.1.3: If-None-Match takes precedence.
    [{ ifNoneMatch: '"x"', ifModifiedSince: at(10) }, "proceed"],
    [{ ifModifiedSince: at(0) }, "not-modified"],
    [{ ifModifiedSince: at(-1) }, "proceed"],
    [{ ifModifiedSince: "not a date" }, "proceed"],
    [{ ifMatch: '"abc"' }, "proceed"],
    [{ ifMatch: 'W/"abc"' }, "failed"],
    [{ ifMatch: '"x"' }, "failed"],
    [{ ifMatch: "*" }, "proceed"],
    [{ ifMatch: '"abc"', ifUnmodifiedSince: at(-10) }, "proceed"],
    [{ ifUnmodifiedSince: at(-1) }, "failed"],
    [{ ifUnmodifiedSince: at(0) }, "proceed"],
    [{ ifMatch: '"x"', ifNoneMatch: '"abc"' }, "failed"],
  ])("%j: %s", (headers, verdict) => {
    expect(evaluate({ ...NONE, ...headers }, CURRENT)).toBe(verdict);
  });

  test("without validators nothing is known to be unchanged", () => {
    const unknown = { etag: undefined, lastModified: undefined };
    expect(evaluate({ ...NONE, ifNoneMatch: '"abc"' }, unknown)).toBe("proceed");
    expect(evaluate({ ...NONE, ifModifiedSince: at(0) }, unknown)).toBe("proceed");
    expect(evaluate({ ...NONE, ifMatch: '"abc"' }, unknown)).toBe("failed");
  });

  test("of any text are decided, never thrown at", () => {
    const text = fc.option(fc.string(), { nil: undefined });
    fc.assert(
      fc.property(text, text, text, text, text, (ifNoneMatch, ifModifiedSince, ifMatch, ifUnmodifiedSince, ifRange) => {
        const all = { ifNoneMatch, ifModifiedSince, ifMatch, ifUnmodifiedSince, ifRange };
        expect(["proceed", "not-modified", "failed"]).toContain(evaluate(all, CURRENT));
        expect(rangeHolds(ifRange, CURRENT)).toBeTypeOf("boolean");
      }),
    );
  });
});

describe("If-Range", () => {
  test.each<[string | undefined, boolean]>([
    [undefined, true],
    ['"abc"', true],
    ['W/"abc"', false],
    ['"x"', false],
    [at(0), true],
    [at(1), false],
    [at(-1), false],
    ["nonsense", false],
  ])("%j holds: %s", (header, holds) => {
    expect(rangeHolds(header, CURRENT)).toBe(holds);
  });
});
