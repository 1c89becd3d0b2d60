import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseArtifactId } from "../../src/domain/artifact-id.ts";

describe("an artifact's id", () => {
  test("is a UUID in lower case", () => {
    fc.assert(
      fc.property(fc.uuid(), (id) => {
        expect(parseArtifactId(id.toUpperCase())).toBe(id);
      }),
    );
  });

  test("is nothing else", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 60 }), (text) => {
        expect(parseArtifactId(text)).toBeUndefined();
      }),
    );
    for (const text of [
      "{1234}",
      "../../etc/passwd",
      "00000000000000000000000000000000",
      "g0000000-0000-4000-8000-000000000000",
      "00000000-0000-4000-8000-00000000000\n",
    ]) {
      expect(parseArtifactId(text)).toBeUndefined();
    }
  });
});
