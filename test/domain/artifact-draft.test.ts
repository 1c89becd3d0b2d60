import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type ArtifactDraft, parseDraft } from "../../src/domain/artifact-draft.ts";
import type { ArtifactType } from "../../src/domain/artifact-type.ts";
import { findArtifactType } from "../../src/domain/builtin-types.ts";
import { isCisternError } from "../../src/domain/errors.ts";

const images = found("images");

function found(name: string): ArtifactType {
  const type = findArtifactType(name);
  if (type === undefined) throw new Error(`no type ${name}`);
  return type;
}

function problems(body: unknown): readonly { field: string; rule: string }[] {
  try {
    parseDraft(images, body);
    return [];
  } catch (error) {
    if (!isCisternError(error, "invalid-input")) throw error;
    return error.fields;
  }
}

describe("the built-in types", () => {
  test("are images and files, and nothing that an object has by itself", () => {
    expect(findArtifactType("files")?.blobs.get("file")?.requiredToActivate).toBe(true);
    for (const name of ["", "all", "toString", "__proto__", "constructor", "Images"]) {
      expect(findArtifactType(name)).toBeUndefined();
    }
  });

  test("name every dict's primary blob", () => {
    for (const type of [images, found("files")]) {
      for (const { shape, mirrorsOf } of type.blobs.values()) {
        if (shape === "dict") expect(type.blobs.get(mirrorsOf ?? "")?.shape).toBe("blob");
      }
    }
  });
});

describe("what a caller says of an artifact", () => {
  test("is kept with what was left out filled in", () => {
    expect(parseDraft(images, { name: "debian", disk_format: "qcow2", min_ram: 0, kernel_id: null })).toEqual({
      name: "debian",
      version: "0.0.0",
      description: "",
      tags: [],
      metadata: {},
      fields: { disk_format: "qcow2", min_ram: 0 },
    } satisfies ArtifactDraft);
  });

  test.each<[unknown, string]>([
    [undefined, "body"],
    [null, "body"],
    [[], "body"],
    ["x", "body"],
    [{}, "name"],
    [{ name: "" }, "name"],
    [{ name: "x".repeat(256) }, "name"],
    [{ name: "a\u0000b" }, "name"],
    [{ name: "a\nb" }, "name"],
    [{ name: "\ud800" }, "name"],
    [{ name: 5 }, "name"],
    [{ name: "x", version: "one" }, "version"],
    [{ name: "x", version: 1 }, "version"],
    [{ name: "x", description: "x".repeat(4097) }, "description"],
    [{ name: "x", tags: "a,b" }, "tags"],
    [{ name: "x", tags: ["a,b"] }, "tags.0"],
    [{ name: "x", tags: ["ok", "a/b"] }, "tags.1"],
    [{ name: "x", tags: [""] }, "tags.0"],
    [{ name: "x", tags: Array.from({ length: 256 }, (_, n) => String(n)) }, "tags"],
    [{ name: "x", metadata: [] }, "metadata"],
    [{ name: "x", metadata: { a: 1 } }, "metadata.a"],
    [{ name: "x", metadata: { a: null } }, "metadata.a"],
    [{ name: "x", metadata: { "": "v" } }, "metadata"],
    [{ name: "x", metadata: { a: "x".repeat(1025) } }, "metadata.a"],
    [{ name: "x", disk_format: "floppy" }, "disk_format"],
    [{ name: "x", disk_format: 1 }, "disk_format"],
    [{ name: "x", min_ram: -1 }, "min_ram"],
    [{ name: "x", min_ram: 1.5 }, "min_ram"],
    [{ name: "x", min_ram: "1" }, "min_ram"],
    [{ name: "x", min_ram: 2 ** 31 }, "min_ram"],
    [{ name: "x", unknown: 1 }, "unknown"],
    [{ name: "x", image: {} }, "image"],
    [{ name: "x", owner: "me" }, "owner"],
    [{ name: "x", status: "active" }, "status"],
    [{ name: "x", visibility: "public" }, "visibility"],
    [{ name: "x", id: "5" }, "id"],
  ])("%j is refused at %s", (body, field) => {
    expect(problems(body).map((problem) => problem.field)).toEqual([field]);
  });

  test("is refused with every broken rule at once", () => {
    const fields = problems({ version: "x", tags: 1, min_ram: -1, bogus: 1 }).map(({ field }) => field);
    expect(fields.toSorted()).toEqual(["bogus", "min_ram", "name", "tags", "version"]);
  });

  test("is refused in an answer of bounded size, however long the names are", () => {
    const body = Object.fromEntries(Array.from({ length: 5000 }, (_, n) => [`${"x".repeat(1000)}${n}`, 1]));
    expect(JSON.stringify(problems(body)).length).toBeLessThan(5000);
  });

  test("of any JSON is within the limits, or refused by name", () => {
    const names = [
      "name",
      "version",
      "description",
      "tags",
      "metadata",
      "min_ram",
      "disk_format",
      "image",
      "id",
      "__proto__",
    ];
    const body = fc.dictionary(fc.oneof(fc.constantFrom(...names), fc.string()), fc.jsonValue());
    fc.assert(
      fc.property(fc.oneof(body, fc.anything()), (given) => {
        try {
          const draft = parseDraft(images, given);
          expect(draft.name.length).toBeGreaterThan(0);
          expect(draft.name.isWellFormed()).toBe(true);
          expect(Object.keys(draft.fields).every((name) => images.fields.has(name))).toBe(true);
        } catch (error) {
          expect(isCisternError(error, "invalid-input") && error.fields.length).toBeGreaterThan(0);
        }
      }),
      { numRuns: 500 },
    );
  });
});
