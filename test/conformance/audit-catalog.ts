import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { AuditCatalog, AuditFilter, AuditRecord, ListedAuditRecord } from "../../src/domain/audit-catalog.ts";
import type { TokenId } from "../../src/domain/token.ts";
import type { TokenCatalog } from "../../src/domain/token-catalog.ts";

export function someEntry(fields: Partial<AuditRecord> = {}): AuditRecord {
  return {
    entry: randomUUID(),
    at: new Date("2026-03-04T05:06:07.089Z"),
    kind: "change",
    actor: "local",
    project: "blue",
    roles: ["member", "reader"],
    address: "192.0.2.7",
    action: "artifact.update",
    object: `artifacts/images/${randomUUID()}`,
    before: { name: "a", tags: ["x"], size: 2 ** 52 },
    after: { name: "b", deep: [null, { empty: {} }] },
    ...fields,
  };
}

/** What every audit catalog does; `make` answers one that tests share. */
export function auditCatalogConformance(
  name: string,
  make: () => { readonly auditRows: AuditCatalog; readonly tokens: TokenCatalog },
): void {
  const rows = () => make().auditRows;
  const listed = (filter: AuditFilter) => rows().list(filter, undefined, 1_000);

  describe(`${name} is an audit catalog`, () => {
    test("an entry is listed as it was written, numbered", async () => {
      const entry = someEntry();
      await rows().append([entry]);
      const [found, ...others] = await listed({ object: entry.object });
      expect(found).toEqual({ ...entry, id: expect.any(Number), actorName: undefined });
      expect(others).toEqual([]);
      const bare = someEntry({ before: undefined, after: undefined, roles: [], project: "", address: "" });
      await rows().append([bare]);
      expect(await listed({ object: bare.object })).toMatchObject([bare]);
    });

    test("the name that the actor's token has then is kept with it", async () => {
      const id = randomUUID() as TokenId;
      const rest = { project: "p", roles: [], cidrs: [], createdAt: new Date(0), expiresAt: undefined };
      const token = { ...rest, id, name: "before", revokedAt: undefined };
      await make().tokens.put(token, randomUUID());
      const entry = someEntry({ actor: id });
      await rows().append([entry]);
      await make().tokens.put({ ...token, name: "after" }, randomUUID());
      expect((await listed({ actor: id })).map(({ actorName }) => actorName)).toEqual(["before"]);
    });

    test("written twice it is one entry", async () => {
      const [one, other] = [someEntry(), someEntry()];
      await rows().append([one]);
      await rows().append([one, other, other]);
      expect(await listed({ object: one.object })).toHaveLength(1);
      expect(await listed({ object: other.object })).toHaveLength(1);
    });

    test("all of a batch, or nothing of it", async () => {
      const good = someEntry();
      const bad = someEntry({ object: "a\u0000b" });
      await expect(rows().append([good, bad])).rejects.toMatchObject({ code: "invalid-input" });
      expect(await listed({ object: good.object })).toEqual([]);
    });

    test("pages go from the newest to the oldest, each entry once, entries of one moment too", async () => {
      const project = randomUUID();
      const at = (n: number) => new Date(Date.UTC(2026, 0, 1) + Math.floor(n / 4));
      await rows().append(
        Array.from({ length: 23 }, (_, n) => someEntry({ project, at: at(n), object: `thing/${n}` })),
      );
      const seen: ListedAuditRecord[] = [];
      for (;;) {
        const page = await rows().list({ project }, seen.at(-1), 5);
        seen.push(...page);
        // What comes meanwhile is newer than any page to come.
        await rows().append([someEntry({ project, at: new Date(Date.UTC(2026, 1, 1)), object: "later" })]);
        if (page.length < 5) break;
      }
      const things = seen.map(({ object }) => object);
      expect(things.toSorted()).toEqual(Array.from({ length: 23 }, (_, n) => `thing/${n}`).toSorted());
      const times = seen.map(({ at: time }) => time.getTime());
      expect(times).toEqual(times.toSorted((a, b) => b - a));
    });

    test("every filter narrows, and all together", async () => {
      const project = randomUUID();
      const at = (ms: number) => new Date(Date.UTC(2026, 5, 1) + ms);
      const one = someEntry({ project, actor: "one", address: "10.0.0.1", action: "a.b", object: "x/1", at: at(1) });
      const two = someEntry({ project, actor: "two", address: "10.0.0.2", action: "a.c", object: "x/2", at: at(2) });
      const out = someEntry({
        project,
        kind: "egress",
        actor: "two",
        address: "10.0.0.2",
        action: "b",
        object: "x%",
        at: at(3),
      });
      await rows().append([one, two, out]);
      const found = async (filter: AuditFilter) =>
        (await listed({ project, ...filter })).map(({ entry }) => [one, two, out].findIndex((e) => e.entry === entry));
      expect(await found({})).toEqual([2, 1, 0]);
      expect(await found({ kind: "change" })).toEqual([1, 0]);
      expect(await found({ kind: "egress" })).toEqual([2]);
      expect(await found({ actor: "two" })).toEqual([2, 1]);
      expect(await found({ address: "10.0.0.1" })).toEqual([0]);
      expect(await found({ action: "a.b" })).toEqual([0]);
      expect(await found({ action: "a.*" })).toEqual([1, 0]);
      expect(await found({ action: "a" })).toEqual([]);
      expect(await found({ object: "x/*" })).toEqual([1, 0]);
      expect(await found({ object: "x%" })).toEqual([2]);
      expect(await found({ object: "*" })).toEqual([2, 1, 0]);
      expect(await found({ from: at(2) })).toEqual([2, 1]);
      expect(await found({ to: at(2) })).toEqual([0]);
      expect(await found({ kind: "change", actor: "two", from: at(2), to: at(3), action: "a.*" })).toEqual([1]);
    });

    test("names longer than an index takes are found, whole and by their beginning", async () => {
      const object = `https://mirror.example/${"ä".repeat(3_000)}${randomUUID()}`;
      const other = `${object.slice(0, -1)}z`;
      await rows().append([someEntry({ object }), someEntry({ object: other })]);
      expect(await listed({ object })).toHaveLength(1);
      expect(await listed({ object: `${object.slice(0, -2)}*` })).toHaveLength(2);
      expect(await listed({ object: `${object.slice(0, 150)}*` })).toHaveLength(2);
    });

    test("retention takes the oldest, so many at once", async () => {
      const project = randomUUID();
      const at = (day: number) => new Date(Date.UTC(1990, 0, day));
      await rows().append([3, 1, 2, 9].map((day) => someEntry({ project, at: at(day) })));
      const days = async () => (await listed({ project })).map((entry) => entry.at.getUTCDate());
      expect(await rows().expire(at(9), 2)).toBe(2);
      expect(await days()).toEqual([9, 3]);
      expect(await rows().expire(at(9), 2)).toBe(1);
      expect(await rows().expire(at(9), 2)).toBe(0);
      expect(await days()).toEqual([9]);
    });
  });
}
