import { FILL_LIMITS } from "./cache/fill-limits.ts";
import { PrefetchRunner } from "./cache/prefetch-runner.ts";
import type { Catalog } from "./catalog/open-catalog.ts";
import type { Config } from "./config/config.ts";
import type { Pin } from "./domain/capacity.ts";
import type { Clock } from "./domain/clock.ts";
import type { Sha256 } from "./domain/digest.ts";
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
export async function startPrefetching({ limits }: Config, parts: PrefetchingParts): Promise<PrefetchRunner> {
  const { engine, reading, events, clock } = parts;
  const { catalog, holder } = engine;
  const { fillQueue, fillWork, artifacts, blobs } = catalog;
  // Alone, whoever had claimed anything is dead. Among others each process has a name of its own.
  if (!engine.shared) await fillWork.releaseAll(holder, true);
  return new PrefetchRunner({
    ...{ resolver: reading.resolver, fills: reading.fills, live: reading.live },
    ...{ queue: fillQueue, work: fillWork, artifacts, blobs, holder, events, clock },
    rules: {
      prefetch: (resolved) => reading.policy.contentRules(resolved).prefetch?.value,
      keeps: (resolved) => reading.policy.keeps(resolved),
    },
    limits: () => FILL_LIMITS,
    spoolRoom: () => limits.spoolBytes,
    pin: (content, until, reason, by) => pinAtLeast(catalog, content, { until, reason, by }, limits.cacheBytes),
  });
}

/** A pin that holds longer stays. */
async function pinAtLeast(
  { capacity, inventory }: Pick<Catalog, "capacity" | "inventory">,
  content: Sha256,
  pin: Pin & { readonly until: Date },
  configured: number,
): Promise<void> {
  const there = (await inventory.find(content))?.pin;
  if (there !== undefined && (there.until === undefined || there.until >= pin.until)) return;
  await capacity.pin(content, pin, configured);
}
