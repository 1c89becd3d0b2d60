import { describe, expect, test } from "vitest";
import type { NewPolicy, PolicyCatalog } from "../../src/domain/policy-catalog.ts";

/** What every catalog of policies does; `make` answers one that tests share. */
export function policyCatalogConformance(name: string, make: () => PolicyCatalog): void {
  const some = (fields: Partial<NewPolicy> = {}): NewPolicy => ({
    document: '{"content": [], "access": []}',
    madeBy: "a-token",
    note: "why",
    ...fields,
  });
  const newest = async () => (await make().current())?.version ?? 0;

  describe(`${name} is a catalog of policies`, () => {
    test("what was set last is in force, to the letter, with who set it and when", async () => {
      const before = await newest();
      const set = await make().replace(before, some());
      expect(set).toMatchObject({ version: before + 1, ...some() });
      expect(Math.abs(set.madeAt.getTime() - Date.now())).toBeLessThan(60_000);
      expect(await make().current()).toEqual(set);
      expect(await make().find(set.version)).toEqual(set);
    });

    test("is replaced only by whoever saw the newest; the refused one leaves nothing", async () => {
      const before = await newest();
      await make().replace(before, some());
      for (const stale of [before, before + 2, 0]) {
        await expect(make().replace(stale, some())).rejects.toMatchObject({ code: "precondition-failed" });
      }
      expect(await newest()).toBe(before + 1);
    });

    test("of many who replace the same version one does", async () => {
      const before = await newest();
      const all = await Promise.allSettled(
        Array.from({ length: 8 }, (_, index) => make().replace(before, some({ note: `by ${index}` }))),
      );
      expect(all.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(await newest()).toBe(before + 1);
    });

    test("all versions are there, newest first, page by page, without their documents", async () => {
      for (let count = 0; count < 3; count += 1) await make().replace(await newest(), some({ note: `${count}` }));
      const last = await newest();
      const page = await make().versions(2, undefined);
      expect(page.map(({ version }) => version)).toEqual([last, last - 1]);
      expect(page[0]).not.toHaveProperty("document");
      expect((await make().versions(1, last - 1)).map(({ version }) => version)).toEqual([last - 2]);
      expect((await make().find(last - 1))?.note).toBe("1");
      expect(await make().find(last + 1)).toBeUndefined();
    });
  });
}
