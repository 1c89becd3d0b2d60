import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, expect, test } from "vitest";
import { countIn } from "../../../src/cache/care/progress.ts";
import { type TaskRun, TaskRunner } from "../../../src/cache/care/task-runner.ts";
import { type Catalog, openCatalog } from "../../../src/catalog/open-catalog.ts";
import { CisternError } from "../../../src/domain/errors.ts";
import type { CisternEvent } from "../../../src/domain/events.ts";
import { systemClock } from "../../../src/telemetry/system-clock.ts";
import { temporaryDirectory } from "../../store/temporary-directory.ts";

let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
let catalog: Catalog;

beforeAll(async () => {
  directory = await temporaryDirectory();
  catalog = await openCatalog({ directory: join(directory.path, "catalog") });
}, 60_000);
afterAll(async () => {
  await catalog?.[Symbol.asyncDispose]();
  await directory?.[Symbol.asyncDispose]();
});

/** Counts to `until`, and notes in its progress how far it is. */
class Counting implements TaskRun {
  readonly seen: number[] = [];
  readonly #until: number;
  readonly #pause: number;

  constructor(until: number, pause: number) {
    this.#until = until;
    this.#pause = pause;
  }

  async run(...[task, tell, signal]: Parameters<TaskRun["run"]>) {
    for (let n = countIn(task.progress, "n"); n < this.#until; n += 1) {
      await delay(this.#pause, undefined, { signal });
      this.seen.push(n);
      tell({ n: n + 1 });
    }
    return { counted: this.#until };
  }
}

function runner(holder: string, run: TaskRun) {
  const events: CisternEvent[] = [];
  const ports = { work: catalog.tasks, clock: systemClock, holder, place: holder };
  const made = new TaskRunner("purge", run, { ...ports, events: { emit: (event) => void events.push(event) } });
  const ending = new AbortController();
  return { events, end: () => ending.abort(new Error("the process ends")), turn: () => made.turn(ending.signal) };
}

const create = () => catalog.tasks.create({ kind: "purge", query: {}, createdBy: "t" });

test("a task is done once, by one of several processes", async () => {
  const { id } = await create();
  const runs = ["a", "b", "c"].map(() => new Counting(5, 1));
  await Promise.all(runs.map((run, number) => runner(`once-${number}`, run).turn()));
  expect(runs.flatMap(({ seen }) => seen)).toEqual([0, 1, 2, 3, 4]);
  expect(await catalog.tasks.find(id)).toMatchObject({ state: "done", result: { counted: 5 }, progress: { n: 5 } });
});

test("the next process goes on where one that ends has stopped", async () => {
  const { id } = await create();
  const first = new Counting(40, 60);
  const before = runner("before", first);
  const turn = before.turn();
  await expect
    .poll(async () => countIn((await catalog.tasks.find(id))?.progress ?? {}, "n"), { timeout: 20_000 })
    .toBeGreaterThan(5);
  before.end();
  await turn.catch(() => undefined);
  expect(await catalog.tasks.find(id)).toMatchObject({ state: "queued", holder: undefined });
  const reached = countIn((await catalog.tasks.find(id))?.progress ?? {}, "n");
  const second = new Counting(40, 1);
  await runner("after", second).turn();
  expect([second.seen[0], second.seen.at(-1)]).toEqual([reached, 39]);
  expect((await catalog.tasks.find(id))?.state).toBe("done");
}, 60_000);

test("a task that is cancelled ends soon, with what it has done", async () => {
  const { id } = await create();
  const run = new Counting(100_000, 20);
  const turn = runner("cancelled", run).turn();
  await expect.poll(() => run.seen.length).toBeGreaterThan(2);
  await catalog.tasks.cancel(id);
  await turn;
  const ended = await catalog.tasks.find(id);
  expect(ended).toMatchObject({ state: "cancelled", result: { n: run.seen.length } });
}, 60_000);

test("a catalog that is away for a moment fails no task: it goes on from where it was", async () => {
  const { id } = await create();
  const begins: number[] = [];
  const run: TaskRun = {
    async run(task, tell) {
      begins.push(countIn(task.progress, "n"));
      tell({ n: 3 });
      if (begins.length === 1) throw new CisternError("catalog-unavailable", "it is away");
      return { n: 3 };
    },
  };
  const { turn } = runner("outlasting", run);
  await expect(turn()).rejects.toMatchObject({ code: "catalog-unavailable" });
  expect(await turn()).toBe(1);
  expect(begins).toEqual([0, 3]);
  expect(await catalog.tasks.find(id)).toMatchObject({ state: "done", result: { n: 3 } });
}, 60_000);

test("a task that fails tells why, and the next one is done", async () => {
  const [broken, next] = [await create(), await create()];
  const run: TaskRun = {
    async run(task) {
      if (task.id === broken.id) throw new CisternError("content-not-found", "it has gone");
      return {};
    },
  };
  const { events, turn } = runner("failing", run);
  expect(await turn()).toBe(2);
  expect(await catalog.tasks.find(broken.id)).toMatchObject({ state: "failed", error: "it has gone" });
  expect((await catalog.tasks.find(next.id))?.state).toBe("done");
  expect(events.map(({ kind }) => kind)).toEqual(["job-failed"]);
});
