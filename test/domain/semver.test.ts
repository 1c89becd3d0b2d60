import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCisternError } from "../../src/domain/errors.ts";
import { parseVersion } from "../../src/domain/semver.ts";

describe("a version", () => {
  test.each([
    ["1", "1.0.0"],
    ["1.0", "1.0.0"],
    ["1.2.3", "1.2.3"],
    ["0.0.0", "0.0.0"],
    ["1.0-rc.1", "1.0.0-rc.1"],
    ["2.1.0-alpha+build.5", "2.1.0-alpha+build.5"],
    ["1+x", "1.0.0+x"],
    ["1.0.0-0a.x-y", "1.0.0-0a.x-y"],
  ])("%s is kept as %s", (given, kept) => {
    expect(parseVersion(given, "version")).toBe(kept);
  });

  test.each(["", "v1", "01.0", "1.", "1.2.3.4", "1.0.0-", "1.0.0-01", "1.0.0+", "1 .0", "-1", "1.0.0-a..b", "٣.0.0"])(
    "%j is refused",
    (given) => {
      expect(() => parseVersion(given, "version")).toThrow(/version: must be a semantic version/);
    },
  );

  test("that was kept is kept again as it is", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(), { minLength: 1, maxLength: 3 }), (numbers) => {
        const kept = parseVersion(numbers.join("."), "version");
        expect(kept.split(".")).toHaveLength(3);
        expect(parseVersion(kept, "version")).toBe(kept);
      }),
    );
  });

  test("of any kind is kept or refused by name, in no time", () => {
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.stringMatching(/^[0-9.+a-z-]*$/)), (value) => {
        try {
          expect(parseVersion(value, "version")).toMatch(/^\d+\.\d+\.\d+/);
        } catch (error) {
          expect(isCisternError(error, "invalid-input") && error.fields[0]?.field).toBe("version");
        }
      }),
    );
    expect(() => parseVersion(`1.0.0-${"a.".repeat(60)}!`, "version")).toThrow(/semantic version/);
  });
});
