import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import type { FillEntry, FillId, NewFill } from "../../src/domain/fill-entry.ts";
import type { ClaimLimits, FillQueue, FillUpkeep, FillWork } from "../../src/domain/fill-queue.ts";

export interface QueuePorts {
  readonly fillQueue: FillQueue;
  readonly fillWork: FillWork & FillUpkeep;
}

const NO_LIMIT: ClaimLimits = { perOrigin: 1_000, perProject: 1_000 };
const TERM_MS = 60_000;
const HOUR_MS = 3_600_000;

export function newFill(fields: Partial<NewFill> = {}): NewFill {
  const id = (fields.id ?? randomUUID()) as FillId;
  return {
    id,
    kind: "prefetch",
    priority: 5,
    ref: { artifactId: `artifact-${id}` as ArtifactId, field: "image", key: "" },
    type: "images",
    name: `image ${id}`,
    source: "https://origin.example/a.img",
    origin: "origin.example",
    project: "alpha",
    askedBy: "token",
    via: "request",
    ...fields,
  };
}

function newQuery(fields: Partial<NewFill> = {}): NewFill {
  const query = { query: { type: "images" }, searched: false, artifacts: 0 };
  return newFill({ kind: "query", ref: undefined, source: "", origin: "", query, ...fields });
}

/** What all queues of fills do; `make` answers one that tests share. */
export function fillQueueConformance(name: string, make: () => QueuePorts): void {
  const queue = () => make().fillQueue;
  const work = () => make().fillWork;
  const add = async (fields: Partial<NewFill> = {}) => (await queue().add(newFill(fields))).fill;
  const claim = (holder = "one", limits = NO_LIMIT, term = TERM_MS) => work().claim("prefetch", holder, limits, term);
  const claimQuery = (holder = "one", term = TERM_MS) => work().claim("query", holder, NO_LIMIT, term);
  const progress = ({ id }: FillEntry, bytes = 0) => ({ id, bytes, total: undefined, rate: 0, followers: 0 });
  const find = async (id: FillId) => {
    const found = await queue().find(id);
    if (found === undefined) throw new Error("the fill is gone");
    return found;
  };

  describe(`${name} queues fills`, () => {
    beforeEach(async () => {
      const { fills } = await queue().list({ states: ["queued", "running"], limit: 1_000 });
      for (const { id, holder } of fills) {
        await queue().cancel(id, false);
        if (holder !== undefined) await work().finish(id, holder, { state: "cancelled", bytes: 0 });
      }
      await work().prune(0, 0);
    });

    test("what was asked for is found, whole", async () => {
      const notBefore = new Date(Date.now() + HOUR_MS);
      const deadline = new Date(Date.now() + 2 * HOUR_MS);
      const asked = newFill({ notBefore, deadline, pinFor: HOUR_MS, priority: 8 });
      const { fill, fresh } = await queue().add(asked);
      expect(fresh).toBe(true);
      expect(fill).toMatchObject({ ...asked, state: "queued", attempts: 0, bytes: 0, readyAt: notBefore });
      expect(await find(asked.id)).toEqual(fill);
      expect(await queue().find(randomUUID() as FillId)).toBeUndefined();
    });

    test("a blob waits once: a second asker is given the first one's, which takes over what is more", async () => {
      const notBefore = new Date(Date.now() + HOUR_MS);
      const first = await add({ priority: 2, notBefore, deadline: new Date(Date.now() + HOUR_MS), pinFor: 1_000 });
      const { fill, fresh } = await queue().add(newFill({ ref: first.ref, priority: 8, pinFor: 5_000 }));
      expect(fresh).toBe(false);
      expect(fill).toMatchObject({
        id: first.id,
        priority: 8,
        pinFor: 5_000,
        notBefore: undefined,
        deadline: undefined,
      });
      expect((await queue().add(newFill({ ref: first.ref, priority: 0, pinFor: 1 }))).fill).toEqual(fill);
      expect((await claim())?.id).toBe(first.id);
    });

    test("of many that ask for one blob at the same time one is queued", async () => {
      const { ref } = newFill();
      const added = await Promise.all(Array.from({ length: 12 }, () => queue().add(newFill({ ref }))));
      expect(added.filter(({ fresh }) => fresh)).toHaveLength(1);
      expect(new Set(added.map(({ fill }) => fill.id)).size).toBe(1);
    });

    test("one that runs is answered as it is; one that has ended is no obstacle", async () => {
      const first = await add({ priority: 3 });
      await claim();
      const { fill } = await queue().add(newFill({ ref: first.ref, priority: 9 }));
      expect(fill).toMatchObject({ id: first.id, state: "running", priority: 3 });
      await work().finish(first.id, "one", { state: "done", bytes: 7 });
      expect(await find(first.id)).toMatchObject({ state: "done", bytes: 7, holder: "one" });
      expect((await queue().add(newFill({ ref: first.ref }))).fresh).toBe(true);
    });

    test("they are claimed by priority, then by the project that has least, then by age", async () => {
      const a1 = await add({ project: "alpha" });
      const a2 = await add({ project: "alpha" });
      const b1 = await add({ project: "beta" });
      const urgent = await add({ project: "alpha", priority: 6 });
      const order: (FillId | undefined)[] = [];
      for (let n = 0; n < 5; n += 1) order.push((await claim())?.id);
      expect(order).toEqual([urgent.id, b1.id, a1.id, a2.id, undefined]);
    });

    test("a project that has enough is passed over", async () => {
      await add({ project: "alpha", priority: 9 });
      const b1 = await add({ project: "beta" });
      expect((await claim("one", { ...NO_LIMIT, except: "alpha" }))?.id).toBe(b1.id);
      expect(await claim("one", { ...NO_LIMIT, except: "alpha" })).toBeUndefined();
    });

    test("nothing is claimed before its time, and nothing after its deadline", async () => {
      await add({ notBefore: new Date(Date.now() + HOUR_MS) });
      const late = await add({ deadline: new Date(Date.now() - 1_000) });
      expect(await claim()).toBeUndefined();
      expect(await work().expire()).toBe(1);
      expect(await find(late.id)).toMatchObject({ state: "failed", error: { code: "deadline-passed" } });
      expect(await work().expire()).toBe(0);
    });

    test("a limit per origin and one per project hold for all holders together", async () => {
      for (let n = 0; n < 3; n += 1) await add({ project: "alpha", origin: "x.example" });
      await add({ project: "alpha", origin: "y.example" });
      await add({ project: "beta", origin: "x.example" });
      const limits = { perOrigin: 2, perProject: 2 };
      const claimed = [];
      for (const holder of ["one", "two", "one", "two", "one"]) claimed.push(await claim(holder, limits));
      // The second of x.example is beta's: alpha has one of the other origin by then, or the same.
      expect(claimed.filter((fill) => fill !== undefined)).toHaveLength(3);
      const running = claimed.flatMap((fill) => (fill === undefined ? [] : [fill]));
      expect(running.filter(({ origin }) => origin === "x.example")).toHaveLength(2);
      expect(running.filter(({ project }) => project === "alpha")).toHaveLength(2);
    });

    test("a claim that is not renewed is anybody's; its holder's late word counts no more", async () => {
      const fill = await add();
      await claim("dead", NO_LIMIT, 0);
      const again = await claim("alive");
      expect(again).toMatchObject({ id: fill.id, holder: "alive", attempts: 2 });
      expect(await work().renew("dead", [progress(fill, 99)], TERM_MS)).toEqual([]);
      await work().finish(fill.id, "dead", { state: "failed", code: "internal", message: "" });
      expect(await find(fill.id)).toMatchObject({ state: "running", bytes: 0 });
    });

    test("renewing keeps a claim, and tells how far it is", async () => {
      const fill = await add();
      await claim("one", NO_LIMIT, 0);
      const told = { id: fill.id, bytes: 5, total: 10, rate: 2.4, followers: 3 };
      const [kept] = await work().renew("one", [told], TERM_MS);
      expect(kept).toMatchObject({ ...told, rate: 2, cancel: undefined });
      expect(await claim("two")).toBeUndefined();
      expect(await find(fill.id)).toEqual(kept);
    });

    test("what waits is cancelled at once; what runs is told to its holder", async () => {
      const [running, waiting] = [await add({ priority: 9 }), await add()];
      await claim();
      expect(await queue().cancel(waiting.id, false)).toMatchObject({ state: "cancelled" });
      expect(await queue().cancel(running.id, false)).toMatchObject({ state: "running", cancel: "asked" });
      expect(await queue().cancel(running.id, true)).toMatchObject({ cancel: "forced" });
      expect(await queue().cancel(running.id, false)).toMatchObject({ cancel: "forced" });
      expect((await work().renew("one", [progress(running)], TERM_MS))[0]?.cancel).toBe("forced");
      await work().finish(running.id, "one", { state: "cancelled", bytes: 3 });
      expect(await queue().cancel(running.id, false)).toMatchObject({
        state: "cancelled",
        cancel: undefined,
        bytes: 3,
      });
      expect(await queue().cancel(randomUUID() as FillId, false)).toBeUndefined();
      expect(await claim()).toBeUndefined();
    });

    test("what failed waits for its next attempt, and tells why; what was in the way uses none up", async () => {
      const fill = await add();
      await claim();
      const failure = { code: "origin-timeout", message: "no answer" } as const;
      await work().finish(fill.id, "one", { state: "queued", pause: HOUR_MS, counted: true, ...failure });
      expect(await find(fill.id)).toMatchObject({ state: "queued", attempts: 1, error: failure });
      expect(await claim()).toBeUndefined();
      // Whoever asks for it now does not wait for the pause to end.
      await queue().add(newFill({ ref: fill.ref }));
      expect(await claim()).toMatchObject({ id: fill.id, attempts: 2, error: undefined });
      await work().finish(fill.id, "one", { state: "queued", pause: 0, counted: false });
      expect(await find(fill.id)).toMatchObject({ attempts: 1, error: undefined });
    });

    test("what a process that ends has claimed waits again at once", async () => {
      const [mine, others] = [await add({ priority: 9 }), await add()];
      await claim("one");
      await claim("two");
      await work().releaseAll("one", false);
      expect(await find(mine.id)).toMatchObject({ state: "queued", attempts: 0 });
      expect(await find(others.id)).toMatchObject({ state: "running", holder: "two" });
      await claim("one");
      await work().releaseAll("one", true);
      expect(await find(mine.id)).toMatchObject({ state: "queued", attempts: 1 });
    });

    test("a query goes on page by page, and tells what has become of its parts", async () => {
      const { fill: query } = await queue().add(newQuery());
      expect(await claim()).toBeUndefined();
      expect(await claimQuery()).toMatchObject({ id: query.id, state: "running" });
      const taken = await add();
      const parts = Array.from({ length: 3 }, () => newFill({ parent: query.id }));
      expect(await queue().addMissing([...parts, newFill({ parent: query.id, ref: taken.ref })])).toBe(3);
      const state = { query: { type: "images" }, marker: "m" as ArtifactId, searched: true, artifacts: 4 };
      await work().finish(query.id, "one", { state: "running", pause: 0, query: state });
      expect(await claimQuery("two")).toMatchObject({ query: state, state: "running" });
      await queue().cancel(taken.id, false);
      const first = await claim();
      if (first !== undefined) await work().finish(first.id, "one", { state: "done", bytes: 1 });
      expect((await queue().tally([query.id])).get(query.id)).toEqual({
        queued: 2,
        running: 0,
        done: 1,
        failed: 0,
        cancelled: 0,
      });
      expect((await queue().list({ states: [], parent: query.id, limit: 10 })).fills).toHaveLength(3);
    });

    test("queries take turns: one that waits for its parts goes before no other that has waited longer", async () => {
      const first = newQuery({ project: "alpha" });
      const second = newQuery({ project: "alpha" });
      const stranger = newQuery({ project: "beta" });
      for (const query of [first, second, stranger]) await queue().add(query);
      const turns: (FillId | undefined)[] = [];
      for (let turn = 0; turn < 7; turn += 1) {
        const query = await claimQuery();
        turns.push(query?.id);
        if (query?.query === undefined) continue;
        await work().finish(query.id, "one", { state: "running", pause: 0, query: query.query });
      }
      expect(turns.slice(0, 6)).toEqual([...turns.slice(0, 3), ...turns.slice(0, 3)]);
      expect(new Set(turns)).toEqual(new Set([first.id, second.id, stranger.id]));
    });

    test("a query that is cancelled takes its parts along, and adds no more", async () => {
      const { fill: query } = await queue().add(newQuery());
      await claimQuery();
      await queue().addMissing([newFill({ parent: query.id }), newFill({ parent: query.id })]);
      const running = await claim();
      expect(await queue().cancel(query.id, false)).toMatchObject({ state: "cancelled" });
      const { fills } = await queue().list({ states: [], parent: query.id, limit: 10 });
      expect(fills.map(({ state, cancel }) => [state, cancel]).sort()).toEqual([
        ["cancelled", undefined],
        ["running", "asked"],
      ]);
      expect(running).toBeDefined();
      expect(await queue().addMissing([newFill({ parent: query.id })])).toBe(0);
      await work().finish(query.id, "one", { state: "done", bytes: 0 });
      expect(await find(query.id)).toMatchObject({ state: "cancelled" });
    });

    test("a fill of demand is stopped by an order to its replica", async () => {
      const { id, ref } = newFill();
      const facts = { ...newFill({ id, ref }), bytes: 5, total: 9, rate: 1.5, followers: 0, holder: "two" };
      const ordered = await work().order({ ...facts, startedAt: new Date() }, "token", false);
      expect(ordered).toMatchObject({ id, kind: "demand", state: "running", cancel: "asked", holder: "two" });
      expect(await work().renew("one", [], TERM_MS)).toEqual([]);
      expect(await work().renew("two", [], TERM_MS)).toMatchObject([{ id, cancel: "asked" }]);
      await work().order({ ...facts, startedAt: undefined }, "token", true);
      expect(await work().renew("two", [], TERM_MS)).toMatchObject([{ id, cancel: "forced" }]);
      await work().finish(id, "two", { state: "cancelled", bytes: 6 });
      expect(await find(id)).toMatchObject({ state: "cancelled", bytes: 6 });
    });

    test("failures of demand are noted, the last of each blob", async () => {
      const { ref } = newFill();
      const facts = (fields: Partial<NewFill>) => ({
        ...newFill({ ref, ...fields }),
        bytes: 1,
        total: undefined,
        rate: 0,
        followers: 1,
        holder: "one",
        startedAt: undefined,
      });
      await work().note(facts({}), "origin-timeout", "no answer");
      await work().note(facts({}), "origin-refused", "404");
      const { fills } = await queue().list({ states: ["failed"], artifact: ref?.artifactId ?? "", limit: 10 });
      expect(fills).toMatchObject([
        { kind: "demand", attempts: 2, error: { code: "origin-refused", message: "404" }, holder: "one" },
      ]);
    });

    test("pages tell all, newest first, whatever the filter; a cursor that is none is refused", async () => {
      const ids: FillId[] = [];
      for (let n = 0; n < 7; n += 1) ids.unshift((await add({ project: n % 2 === 0 ? "even" : "odd" })).id);
      const seen: FillId[] = [];
      for (let after: string | undefined, pages = 0; pages === 0 || after !== undefined; pages += 1) {
        const page = await queue().list({ states: ["queued"], limit: 3, ...(after === undefined ? {} : { after }) });
        seen.push(...page.fills.map(({ id }) => id));
        after = page.next;
        expect(page.fills.length).toBeLessThanOrEqual(3);
      }
      expect(seen).toEqual(ids);
      const odd = await queue().list({ states: ["queued", "failed"], project: "odd", kind: "prefetch", limit: 10 });
      expect(odd.fills.map(({ id }) => id)).toEqual(ids.filter((_, n) => n % 2 === 1));
      const refused = queue().list({ states: [], limit: 3, after: "x'; drop table fills" });
      await expect(refused).rejects.toMatchObject({ code: "invalid-input", fields: [{ field: "query.after" }] });
    });

    test("what ended long ago is forgotten, and beyond a number the oldest; what waits never is", async () => {
      const ended: FillId[] = [];
      for (let n = 0; n < 4; n += 1) {
        const { id } = await add();
        await queue().cancel(id, false);
        ended.push(id);
      }
      const waits = await add();
      expect(await work().prune(HOUR_MS, 2)).toBe(2);
      expect(await queue().find(ended[0] ?? ("" as FillId))).toBeUndefined();
      expect(await queue().find(ended[3] ?? ("" as FillId))).toBeDefined();
      expect(await work().prune(0, 100)).toBe(2);
      expect(await queue().find(waits.id)).toBeDefined();
    });

    test("property: whatever holders claim, renew, finish and lose at the same time, each fill is one holder's", async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.nat(3), { minLength: 4, maxLength: 24 }), async (turns) => {
          const added = new Set<FillId>();
          for (let n = 0; n < turns.length; n += 1) added.add((await add()).id);
          const done = new Map<FillId, string>();
          const holder = async (own: string) => {
            for (const turn of turns) {
              const fill = await claim(own);
              if (fill === undefined) return;
              expect(fill.holder).toBe(own);
              // One turn in four a holder gives up, and anybody may have it.
              if (turn === 0) {
                await work().finish(fill.id, own, { state: "queued", pause: 0, counted: false });
                continue;
              }
              expect(done.has(fill.id)).toBe(false);
              done.set(fill.id, own);
              await work().finish(fill.id, own, { state: "done", bytes: 1 });
            }
          };
          await Promise.all(["one", "two", "three"].map(holder));
          for (let fill = await claim("last"); fill !== undefined; fill = await claim("last")) {
            expect(done.has(fill.id)).toBe(false);
            done.set(fill.id, "last");
            await work().finish(fill.id, "last", { state: "done", bytes: 1 });
          }
          expect(new Set(done.keys())).toEqual(added);
        }),
        { numRuns: 8 },
      );
    });
  });
}
