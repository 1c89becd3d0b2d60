import { describe, expect, test } from "vitest";
import { Tombstones } from "../../src/cache/tombstones.ts";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import { parseRange } from "../../src/domain/byte-range.ts";
import type { Grave, Graves } from "../../src/domain/graves.ts";

/** What is told to others: here it is enough that it was told. */
function someTombstones(told: Grave[] = []): Tombstones {
  const graves: Graves = {
    write: async (more) => void told.push(...more),
    list: async () => told,
    expire: async () => undefined,
  };
  return new Tombstones({ graves, events: { emit: (event) => expect.unreachable(event.kind) } });
}

const BLOB = { artifactId: "a" as ArtifactId, field: "image", key: "" };
const TAIL = parseRange("bytes=4096-");
const WHOLE = parseRange(undefined);

describe("I1: callers that were given wrong bytes", () => {
  test("cannot complete them with a range, until they begin anew", () => {
    const tombstones = someTombstones();
    void tombstones.bury([BLOB], new Set(["token 10.0.0.1"]));
    expect(() => tombstones.check(BLOB, "token 10.0.0.1", TAIL)).toThrow(/delete the partial file/);
    expect(() => tombstones.check(BLOB, "token 10.0.0.2", TAIL)).not.toThrow();
    tombstones.check(BLOB, "token 10.0.0.1", WHOLE);
    expect(() => tombstones.check(BLOB, "token 10.0.0.1", TAIL)).not.toThrow();
  });

  test("do not begin anew by probing the first bytes", () => {
    const tombstones = someTombstones();
    void tombstones.bury([BLOB], new Set(["c"]));
    tombstones.check(BLOB, "c", parseRange("bytes=0-0"));
    expect(() => tombstones.check(BLOB, "c", TAIL)).toThrow();
    tombstones.check(BLOB, "c", parseRange("bytes=0-"));
    expect(() => tombstones.check(BLOB, "c", TAIL)).not.toThrow();
  });

  test("are everybody when nobody knows who they were", () => {
    const tombstones = someTombstones();
    void tombstones.bury([BLOB], undefined);
    expect(() => tombstones.check(BLOB, "c", TAIL)).toThrow();
    tombstones.check(BLOB, "c", WHOLE);
    expect(() => tombstones.check(BLOB, "c", TAIL)).not.toThrow();
    expect(() => tombstones.check(BLOB, "d", TAIL)).toThrow();
    void tombstones.bury([BLOB], undefined);
    expect(() => tombstones.check(BLOB, "c", TAIL)).toThrow();
  });

  test("are forgiven when what they have turned out to be the head of what goes on", () => {
    const tombstones = someTombstones();
    void tombstones.bury([BLOB], new Set(["c"]));
    void tombstones.lift([BLOB], new Set(["c"]));
    expect(() => tombstones.check(BLOB, "c", TAIL)).not.toThrow();
  });

  test("are known to a process that hears of them, or starts later", async () => {
    const told: Grave[] = [];
    const here = someTombstones(told);
    await here.bury([BLOB], new Set(["c"]));
    const there = someTombstones(told);
    for (const grave of told) there.hear(grave);
    expect(() => there.check(BLOB, "c", TAIL)).toThrow(/delete the partial file/);
    const later = someTombstones(told);
    await later.load();
    expect(() => later.check(BLOB, "c", TAIL)).toThrow(/delete the partial file/);
    later.check(BLOB, "c", WHOLE);
    there.hear(told.at(-1) ?? expect.unreachable("nothing was told"));
    expect(() => there.check(BLOB, "c", TAIL)).not.toThrow();
  });
});
