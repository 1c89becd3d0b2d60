import { randomUUID } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import type { TaskId, TaskKind, Tasks, TaskWork } from "../../src/domain/tasks.ts";

/** What all tasks do; the kinds are used apart, for tests share one catalog. */
export function tasksConformance(name: string, make: () => Tasks & TaskWork): void {
  const drain = async (kind: TaskKind, place = "anywhere") => {
    for (;;) {
      const task = await make().claim(kind, place, "drain", 60_000);
      if (task === undefined) return;
      await make().finish(task.id, "drain", { state: "done", result: {} });
    }
  };

  describe(`${name} keeps tasks`, () => {
    test("the oldest goes first, to one holder, who ends it", async () => {
      await drain("purge");
      const first = await make().create({ kind: "purge", query: { a: 1 }, createdBy: "t" });
      const second = await make().create({ kind: "purge", query: {}, createdBy: "t" });
      expect(first).toMatchObject({ state: "queued", query: { a: 1 }, progress: {}, createdBy: "t" });
      const claims = await Promise.all(["x", "y", "z"].map((holder) => make().claim("purge", "p", holder, 60_000)));
      const claimed = claims.flatMap((task) => (task === undefined ? [] : [task.id]));
      expect(claimed.sort()).toEqual([first.id, second.id].sort());
      const mine = claims.find((task) => task?.id === first.id);
      const holder = mine?.holder ?? "";
      expect(await make().report(first.id, "nobody", { n: 1 }, 60_000)).toBe("lost");
      expect(await make().report(first.id, holder, { n: 1 }, 60_000)).toBe("held");
      expect(await make().finish(first.id, "nobody", { state: "done", result: {} })).toBe(false);
      expect(await make().finish(first.id, holder, { state: "done", result: { m: 2 } })).toBe(true);
      expect(await make().find(first.id)).toMatchObject({
        state: "done",
        progress: { n: 1 },
        result: { m: 2 },
        holder: undefined,
      });
      expect(await make().report(first.id, holder, {}, 60_000)).toBe("lost");
      await drain("purge");
    });

    test("one whose holder is not heard of goes to the next, with its progress", async () => {
      await drain("verify");
      const { id } = await make().create({ kind: "verify", query: {}, createdBy: "t" });
      expect((await make().claim("verify", "p", "dead", 50))?.id).toBe(id);
      await make().report(id, "dead", { at: 5 }, 50);
      expect(await make().claim("verify", "p", "heir", 60_000)).toBeUndefined();
      await delay(100);
      expect(await make().claim("verify", "p", "heir", 60_000)).toMatchObject({ id, progress: { at: 5 } });
      expect(await make().report(id, "dead", { at: 6 }, 60_000)).toBe("lost");
      await make().release(id, "heir");
      expect(await make().claim("verify", "p", "third", 60_000)).toMatchObject({ id, progress: { at: 5 } });
      expect(await make().finish(id, "third", { state: "failed", error: "why" })).toBe(true);
      expect(await make().find(id)).toMatchObject({ state: "failed", error: "why", result: undefined });
    });

    test("a part is done at its place only, and there is one of each", async () => {
      await drain("scrub");
      const { id } = await make().create({ kind: "scrub", query: {}, createdBy: "t" });
      const part = { kind: "scrub-hot", query: {}, createdBy: "t", parent: id, place: `here-${id}` } as const;
      const first = await make().create(part);
      expect((await make().create(part)).id).toBe(first.id);
      expect(await make().claim("scrub-hot", "elsewhere", "h", 60_000)).toBeUndefined();
      expect((await make().claim("scrub-hot", `here-${id}`, "h", 60_000))?.id).toBe(first.id);
      const parts = await make().list({ kinds: ["scrub-hot"], parent: id }, 10, undefined);
      expect(parts.map((one) => one.id)).toEqual([first.id]);
      const whole = await make().list({ kinds: ["scrub", "scrub-hot"] }, 1000, undefined);
      expect(whole.some((one) => one.id === first.id)).toBe(false);
      await drain("scrub");
      await make().finish(first.id, "h", { state: "done", result: {} });
    });

    test("a queued one is cancelled at once, a running one and its parts by those who do them", async () => {
      await drain("scrub");
      const queued = await make().create({ kind: "scrub", query: {}, createdBy: "t" });
      expect((await make().cancel(queued.id))?.state).toBe("cancelled");
      expect(await make().cancel(queued.id)).toBeUndefined();
      const { id } = await make().create({ kind: "scrub", query: {}, createdBy: "t" });
      await make().claim("scrub", "p", "h", 60_000);
      const part = await make().create({ kind: "scrub-hot", query: {}, createdBy: "t", parent: id, place: "q" });
      expect(await make().cancel(id)).toMatchObject({ state: "running", cancelRequested: true });
      expect((await make().find(part.id))?.state).toBe("cancelled");
      expect(await make().report(id, "h", {}, 60_000)).toBe("cancel");
      expect(await make().finish(id, "h", { state: "cancelled", result: {} })).toBe(true);
      expect(await make().cancel(randomUUID() as TaskId)).toBeUndefined();
    });

    test("are listed page by page, the newest first, and forgotten in the end", async () => {
      const ids: string[] = [];
      for (let n = 0; n < 5; n += 1) {
        ids.unshift((await make().create({ kind: "purge", query: { n }, createdBy: "t" })).id);
        // The embedded catalog's clock counts milliseconds.
        await delay(2);
      }
      const seen: string[] = [];
      for (let after: TaskId | undefined; seen.length < 5; ) {
        const page = await make().list({ kinds: ["purge"], state: "queued" }, 2, after);
        seen.push(...page.map(({ id }) => id));
        after = page.at(-1)?.id;
        if (after === undefined) break;
      }
      expect(seen.slice(0, 5)).toEqual(ids);
      await drain("purge");
      await make().expire(60_000);
      expect(await make().find(ids[0] as TaskId)).toBeDefined();
      await make().expire(-60_000);
      expect(await make().find(ids[0] as TaskId)).toBeUndefined();
    });
  });
}
