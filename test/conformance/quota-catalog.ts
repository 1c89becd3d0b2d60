import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CisternError } from "../../src/domain/errors.ts";
import type { ListedQuota, QuotaCatalog } from "../../src/domain/quotas.ts";

const NONE = { fetchedBytesPerDay: undefined, concurrentFills: undefined };

/** What every quota catalog does; `make` answers one that tests share. */
export function quotaCatalogConformance(name: string, make: () => QuotaCatalog): void {
  const someProject = () => `p${randomUUID()}`;
  const put = (quotas: readonly ListedQuota[]) => make().change(() => quotas);

  describe(`${name} is a quota catalog`, () => {
    test("a project of which nothing is set has no limits of its own", async () => {
      expect(await make().find(someProject())).toEqual(NONE);
    });

    test("limits are as they were put, without limit and nothing included", async () => {
      const [one, other, third] = [someProject(), someProject(), someProject()];
      await put([
        { project: one, fetchedBytesPerDay: 2 ** 50, concurrentFills: undefined },
        { project: other, fetchedBytesPerDay: Infinity, concurrentFills: 0 },
        { project: third, fetchedBytesPerDay: 0, concurrentFills: Infinity },
      ]);
      expect(await make().find(one)).toEqual({ fetchedBytesPerDay: 2 ** 50, concurrentFills: undefined });
      expect(await make().find(other)).toEqual({ fetchedBytesPerDay: Infinity, concurrentFills: 0 });
      expect(await make().find(third)).toEqual({ fetchedBytesPerDay: 0, concurrentFills: Infinity });
      const listed = (await make().list()).map(({ project }) => project);
      expect(listed).toEqual(expect.arrayContaining([one, other, third]));
      expect(listed).toEqual(listed.toSorted());
    });

    test("put replaces what was, and one without any limit is forgotten", async () => {
      const project = someProject();
      await put([{ project, fetchedBytesPerDay: 5, concurrentFills: 6 }]);
      await put([{ project, fetchedBytesPerDay: undefined, concurrentFills: 7 }]);
      expect(await make().find(project)).toEqual({ fetchedBytesPerDay: undefined, concurrentFills: 7 });
      await put([{ project, ...NONE }]);
      expect(await make().find(project)).toEqual(NONE);
      expect((await make().list()).some((quota) => quota.project === project)).toBe(false);
    });

    test("a change is decided by what is set, and answers it before and after; what refuses changes nothing", async () => {
      const project = someProject();
      const own = (quotas: readonly ListedQuota[]) => quotas.filter((quota) => quota.project === project);
      const first = { project, fetchedBytesPerDay: 1, concurrentFills: undefined };
      const made = await put([first]);
      expect([own(made.before), own(made.after)]).toEqual([[], [first]]);
      const none = await make().change((known) => {
        expect(own(known)).toEqual([first]);
        return [];
      });
      expect(none.after).toEqual(none.before);
      const refused = make().change(() => {
        throw new CisternError("precondition-failed", "not as it was seen");
      });
      await expect(refused).rejects.toMatchObject({ code: "precondition-failed" });
      expect(await make().find(project)).toMatchObject({ fetchedBytesPerDay: 1 });
    });

    test("many change the same project at once, and none undoes another", async () => {
      const project = someProject();
      await put([{ project, fetchedBytesPerDay: 0, concurrentFills: undefined }]);
      const more = (known: readonly ListedQuota[]) => {
        const own = known.find((quota) => quota.project === project);
        return [{ project, fetchedBytesPerDay: (own?.fetchedBytesPerDay ?? 0) + 1, concurrentFills: undefined }];
      };
      await Promise.all(Array.from({ length: 10 }, () => make().change(more)));
      expect(await make().find(project)).toMatchObject({ fetchedBytesPerDay: 10 });
    });

    test("bytes are charged up to the limit, exactly, and not beyond", async () => {
      const project = someProject();
      expect(await make().charge(project, 60, 100)).toEqual({ admitted: true, used: 60, limit: 100 });
      expect(await make().charge(project, 41, 100)).toEqual({ admitted: false, used: 60, limit: 100 });
      expect(await make().charge(project, 40, 100)).toEqual({ admitted: true, used: 100, limit: 100 });
      expect(await make().charge(project, 0, 100)).toEqual({ admitted: false, used: 100, limit: 100 });
      expect((await make().used()).get(project)).toBe(100);
    });

    test("what a charge would be answered is told without charging", async () => {
      const project = someProject();
      const one = [project, 60, 100] as const;
      for (let turn = 0; turn < 3; turn += 1) {
        expect(await make().foresee(...one)).toEqual({ admitted: true, used: 60, limit: 100 });
      }
      expect((await make().used()).has(project)).toBe(false);
      await make().charge(...one);
      expect(await make().foresee(...one)).toEqual({ admitted: false, used: 60, limit: 100 });
      expect(await make().foresee(project, 0, 60)).toMatchObject({ admitted: false });
      expect(await make().foresee(project, 0, 61)).toMatchObject({ admitted: true });
      expect((await make().used()).get(project)).toBe(60);
    });

    test("of an unknown length nothing is charged, while something is left", async () => {
      const project = someProject();
      expect(await make().charge(project, 0, 1)).toEqual({ admitted: true, used: 0, limit: 1 });
      await make().count(new Map([[project, 1]]));
      expect(await make().charge(project, 0, 1)).toEqual({ admitted: false, used: 1, limit: 1 });
    });

    test("a project's own limit goes before the deployment's", async () => {
      const project = someProject();
      await put([{ project, fetchedBytesPerDay: 10, concurrentFills: undefined }]);
      expect(await make().charge(project, 11, Infinity)).toEqual({ admitted: false, used: 0, limit: 10 });
      await put([{ project, fetchedBytesPerDay: Infinity, concurrentFills: undefined }]);
      expect(await make().charge(project, 2 ** 50, 5)).toEqual({ admitted: true, used: 2 ** 50, limit: Infinity });
      expect(await make().charge(someProject(), 2 ** 52, Infinity)).toMatchObject({ admitted: true, limit: Infinity });
      await put([{ project, fetchedBytesPerDay: 0, concurrentFills: undefined }]);
      expect(await make().charge(project, 0, Infinity)).toMatchObject({ admitted: false });
      expect(await make().charge(someProject(), 0, 0)).toMatchObject({ admitted: false, used: 0 });
    });

    test("of many charges at once as many are admitted as the limit allows", async () => {
      const project = someProject();
      const answers = await Promise.all(Array.from({ length: 40 }, () => make().charge(project, 7, 100)));
      expect(answers.filter(({ admitted }) => admitted)).toHaveLength(14);
      expect((await make().used()).get(project)).toBe(98);
    });

    test("what is counted adds up, is taken back, and is never less than nothing", async () => {
      const [one, other] = [someProject(), someProject()];
      await make().count(
        new Map([
          [one, 10],
          [other, -5],
        ]),
      );
      await make().count(
        new Map([
          [one, -3],
          [other, 4],
        ]),
      );
      await make().count(new Map());
      const used = await make().used();
      expect([used.get(one), used.get(other)]).toEqual([7, 4]);
      await make().count(new Map([[one, -100]]));
      expect((await make().used()).get(one)).toBe(0);
    });

    test("many count at once, the same projects in any order", async () => {
      const projects = Array.from({ length: 20 }, someProject);
      const deltas = new Map(projects.map((project) => [project, 1]));
      const reversed = new Map([...deltas].toReversed());
      await Promise.all(Array.from({ length: 10 }, (_, n) => make().count(n % 2 === 0 ? deltas : reversed)));
      const used = await make().used();
      expect(projects.map((project) => used.get(project))).toEqual(projects.map(() => 10));
      await make().expire(1);
      expect((await make().used()).get(projects[0] ?? "")).toBe(10);
    });
  });
}
