import fc from "fast-check";
import { expect, test } from "vitest";
import type { Session } from "../../../src/catalog/session.ts";
import { Model } from "./model.ts";
import { apply, type Operation, operation, prepare, reset, stateOf } from "./operations.ts";

/** Without CI=true, where others wait for the machine. */
const FEW = 20_000;
/** Operations of one run from an empty catalog, and of one transaction. */
const RUN = 2_000;
const BATCH = 250;

/**
 * I5, I9: operations on the ledger of the store's room and its evictor, judged by a model that knows
 * nothing of their SQL. With CI=true a million in all: most on the server, for the embedded catalog
 * takes three times as long for the same functions.
 */
export function spaceProperty(name: string, session: () => Session, alone: boolean, operations: number): void {
  const all = process.env.CI === "true" ? operations : FEW;
  test(`I5, I9: ${name} is never over its limit, evicts nothing that must stay, and loses count of nothing`, {
    timeout: 900_000,
  }, async () => {
    await prepare(session());
    const counts = { granted: 0, full: 0, going: 0, evicted: 0, operations: 0 };
    const runs = fc.asyncProperty(
      fc.array(operation, { minLength: RUN, maxLength: RUN, size: "max" }),
      async (some) => {
        const model = await run(session(), some, alone);
        for (const key of ["granted", "full", "going", "evicted"] as const) counts[key] += model.counts[key];
        counts.operations += some.length;
      },
    );
    await fc.assert(runs, { numRuns: all / RUN, endOnFailure: true, interruptAfterTimeLimit: 840_000 });
    // It was a test of what it says: room was granted, refused, and made.
    expect(counts.operations).toBeGreaterThanOrEqual(all);
    expect(Math.min(counts.granted, counts.full, counts.evicted)).toBeGreaterThan(counts.operations / 100);
  });
}

async function run(session: Session, all: readonly Operation[], alone: boolean): Promise<Model> {
  await reset(session);
  const model = new Model(alone);
  await apply(session, [{ op: "set", settings: model.settings }], 0, alone);
  for (let at = 0; at < all.length; at += BATCH) {
    const some = all.slice(at, at + BATCH);
    const answers = await apply(session, some, at + 1, alone);
    for (const [index, one] of some.entries()) model.judge(one, at + 1 + index, answers[index] ?? null);
    model.compare(await stateOf(session));
  }
  return model;
}
