import { describe, expect, test } from "vitest";
import { Tombstones } from "../../src/cache/tombstones.ts";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import { parseRange } from "../../src/domain/byte-range.ts";
import { CisternError } from "../../src/domain/errors.ts";
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

describe("I1: a catalog that is away when they are buried", () => {
  function failingOnce() {
    const told: Grave[] = [];
    let away = true;
    const graves: Graves = {
      write: async (more) => {
        if (away) throw new CisternError("catalog-unavailable", "away");
        told.push(...more);
      },
      list: async () => [{ ref: BLOB, caller: "c", anew: true }],
      expire: async () => undefined,
    };
    const degraded: string[] = [];
    const tombstones = new Tombstones({ graves, events: { emit: (event) => void degraded.push(event.kind) } });
    const back = () => {
      away = false;
    };
    return { tombstones, told, degraded, back };
  }

  test("is told when it is back, once", async () => {
    const { tombstones, told, degraded, back } = failingOnce();
    await tombstones.bury([BLOB], new Set(["c", "d"]));
    expect([told, degraded]).toEqual([[], ["degraded"]]);
    await expect(tombstones.tellAgain()).rejects.toMatchObject({ code: "catalog-unavailable" });
    back();
    await tombstones.tellAgain();
    await tombstones.tellAgain();
    expect(told.map(({ caller, anew }) => `${caller} ${anew}`).sort()).toEqual(["c false", "d false"]);
  });

  test("does not take back with what it knew before", async () => {
    const { tombstones } = failingOnce();
    await tombstones.bury([BLOB], new Set(["c"]));
    await tombstones.load().catch(() => undefined);
    expect(() => tombstones.check(BLOB, "c", TAIL)).toThrow(/delete the partial file/);
  });

  test("does not hear that somebody began anew before everybody was buried", async () => {
    const { tombstones, told, back } = failingOnce();
    await tombstones.bury([BLOB], new Set(["c"]));
    tombstones.check(BLOB, "c", WHOLE);
    await tombstones.bury([BLOB], undefined);
    back();
    await tombstones.tellAgain();
    expect(told.map(({ caller, anew }) => [caller, anew])).toEqual([["*", false]]);
  });

  test("hears the newest of what happened meanwhile", async () => {
    const { tombstones, told, back } = failingOnce();
    await tombstones.bury([BLOB], new Set(["c"]));
    tombstones.check(BLOB, "c", WHOLE);
    back();
    await tombstones.load();
    expect(told.map(({ caller, anew }) => [caller, anew])).toEqual([["c", true]]);
  });
});
