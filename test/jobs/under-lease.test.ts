import { afterAll, beforeAll, expect, test } from "vitest";
import { type Catalog, openCatalog } from "../../src/catalog/open-catalog.ts";
import { underLease } from "../../src/jobs/under-lease.ts";
import { systemClock } from "../../src/telemetry/system-clock.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { ManualClock } from "../support/manual-clock.ts";

let catalog: Catalog;
let names = 0;
const stack = new AsyncDisposableStack();
const signal = new AbortController().signal;

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  catalog = stack.use(await openCatalog({ directory: path }));
});
afterAll(() => stack.disposeAsync());

/** A job that counts its runs, as this holder runs it. */
function counted(run: (signal: AbortSignal) => Promise<void> = async () => undefined) {
  names += 1;
  const name = `job-${names}`;
  const runs: string[] = [];
  const as = (holder: string, clock = systemClock) =>
    underLease(
      {
        name,
        everyMs: 1_000,
        run: async (given) => {
          runs.push(holder);
          await run(given);
        },
      },
      { leases: catalog.leases, clock, holder },
    );
  return { key: `job:${name}`, runs, as };
}

test("a job runs when nobody else runs it, and leaves its lease to the next", async () => {
  const { key, runs, as } = counted();
  await as("a").run(signal);
  expect(await catalog.leases.find(key)).toBeUndefined();
  await as("b").run(signal);
  expect(runs).toEqual(["a", "b"]);
});

test("a job that another process runs is left to it", async () => {
  const { key, runs, as } = counted();
  await catalog.leases.take(key, "a", 60_000);
  await as("b").run(signal);
  expect(runs).toEqual([]);
});

test("a job of a process that is dead is taken over", async () => {
  const { key, runs, as } = counted();
  await catalog.leases.take(key, "a", 0);
  await as("b").run(signal);
  expect(runs).toEqual(["b"]);
  expect(await catalog.leases.find(key)).toBeUndefined();
});

test("a lease that this process could not give back is its own", async () => {
  const { key, runs, as } = counted();
  await catalog.leases.take(key, "a", 60_000);
  await as("a").run(signal);
  expect(runs).toEqual(["a"]);
});

test("a job that fails gives its lease back, and its failure is told", async () => {
  const { key, as } = counted(() => Promise.reject(new Error("it went wrong")));
  await expect(as("a").run(signal)).rejects.toThrow("it went wrong");
  expect(await catalog.leases.find(key)).toBeUndefined();
});

test("a job whose lease is taken away is ended", async () => {
  const clock = new ManualClock();
  const begun = Promise.withResolvers<void>();
  const { key, as } = counted(async (given) => {
    begun.resolve();
    await new Promise<void>((_, reject) => given.addEventListener("abort", () => reject(given.reason)));
  });
  const running = as("a", clock).run(signal);
  await begun.promise;
  const lease = (await catalog.leases.find(key))?.by;
  if (lease === undefined) throw new Error("it has no lease");
  await catalog.leases.takeOver(lease, "b", 60_000, true);
  clock.advance(60_000);
  await expect(running).rejects.toMatchObject({ code: "fill-cancelled" });
  expect((await catalog.leases.find(key))?.by.holder).toBe("b");
});
