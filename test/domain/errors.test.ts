import { describe, expect, test } from "vitest";
import { CisternError, invalid, isCisternError } from "../../src/domain/errors.ts";
import { FieldProblems } from "../../src/domain/field-problems.ts";

describe("an error of Cistern", () => {
  test("is told from others by its code, and keeps its cause for the log", () => {
    const cause = new Error("inside");
    const error = new CisternError("conflict", "taken", { cause });
    expect(isCisternError(error)).toBe(true);
    expect(isCisternError(error, "conflict")).toBe(true);
    expect(isCisternError(error, "forbidden")).toBe(false);
    expect(isCisternError(cause)).toBe(false);
    expect(error.cause).toBe(cause);
  });
});

describe("collected problems", () => {
  test("let every other error through", () => {
    const problems = new FieldProblems();
    expect(() =>
      problems.take(() => {
        throw new TypeError("a bug");
      }),
    ).toThrow(TypeError);
    expect(() =>
      problems.take(() => {
        throw new CisternError("conflict", "taken");
      }),
    ).toThrow("taken");
  });

  test("throw once, with all of them, or not at all", () => {
    const problems = new FieldProblems();
    problems.throwIfAny();
    expect(problems.take(() => 5)).toBe(5);
    expect(
      problems.take(() => {
        throw invalid("a", "must be 1");
      }),
    ).toBeUndefined();
    problems.add("b", "must be 2");
    expect(() => problems.throwIfAny()).toThrow("a: must be 1 (and 1 more)");
  });
});
