import { FILL_LIMITS } from "./cache/fill-limits.ts";
import { PrefetchRunner } from "./cache/prefetch-runner.ts";
import type { Config } from "./config/config.ts";
import type { Clock } from "./domain/clock.ts";
import type { Events } from "./domain/events.ts";
import type { Engine } from "./engine.ts";
import type { Reading } from "./reading.ts";

export interface PrefetchingParts {
  readonly engine: Engine;
  readonly reading: Reading;
  readonly events: Events;
  readonly clock: Clock;
}

/** Starts to work on the queue of prefetches; disposal puts back what is under way. */
export async function startPrefetching({ policy, limits }: Config, parts: PrefetchingParts): Promise<PrefetchRunner> {
  const { engine, reading, events, clock } = parts;
  const { catalog, holder } = engine;
  const { fillQueue, fillWork, artifacts, blobs } = catalog;
  // Alone, whoever had claimed anything is dead. Among others each process has a name of its own.
  if (!engine.shared) await fillWork.releaseAll(holder, true);
  return new PrefetchRunner({
    ...{ resolver: reading.resolver, fills: reading.fills, live: reading.live },
    ...{ queue: fillQueue, work: fillWork, artifacts, blobs, holder, events, clock },
    rules: { prefetch: () => undefined, keeps: () => policy.mode !== "proxy" },
    limits: () => FILL_LIMITS,
    spoolRoom: () => limits.spoolBytes,
    pin: async () => undefined,
  });
}
