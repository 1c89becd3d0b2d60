import type { PolicyInForce } from "./cache/policy-in-force.ts";
import type { PrefetchRules } from "./cache/prefetch.ts";
import { prefetchInWindows, type RuledPrefetchPorts } from "./cache/prefetch-by-rule.ts";
import { PrefetchRunner } from "./cache/prefetch-runner.ts";
import type { Catalog } from "./catalog/open-catalog.ts";
import type { Config } from "./config/config.ts";
import type { Pin } from "./domain/capacity.ts";
import type { Clock } from "./domain/clock.ts";
import type { Sha256 } from "./domain/digest.ts";
import type { Events } from "./domain/events.ts";
import { nextStart } from "./domain/fetch-window.ts";
import { subjectOf } from "./domain/policy/subject.ts";
import type { Engine } from "./engine.ts";
import type { Job } from "./jobs/schedule.ts";
import type { Reading } from "./reading.ts";

export interface PrefetchingParts {
  readonly engine: Engine;
  readonly reading: Reading;
  readonly events: Events;
  readonly clock: Clock;
}

/** Of the spool, what prefetches leave to readers. */
const DEMAND_SHARE = 0.25;
const WINDOWS_MS = 60_000;
/** What was evicted or registered meanwhile is looked for again so often while a window is open. */
const AGAIN_MS = 15 * 60_000;

/** Starts to work on the queue of prefetches; disposal puts back what is under way. */
export async function startPrefetching({ limits }: Config, parts: PrefetchingParts): Promise<PrefetchRunner> {
  const { engine, reading, events, clock } = parts;
  const { catalog, holder, spool } = engine;
  const { fillQueue, fillWork, artifacts, blobs } = catalog;
  // Alone, whoever had claimed anything is dead. Among others each process has a name of its own.
  if (!engine.shared) await fillWork.releaseAll(holder, true);
  return new PrefetchRunner({
    ...{ resolver: reading.resolver, fills: reading.fills, live: reading.live },
    ...{ queue: fillQueue, work: fillWork, artifacts, blobs, holder, events, clock },
    rules: prefetchRules(reading.policy),
    limits: () => reading.capacity.fills,
    spool: () => ({ used: spool.use.used, limit: Math.floor(spool.use.limit * (1 - DEMAND_SHARE)) }),
    pin: (content, until, reason, by) => pinAtLeast(catalog, content, { until, reason, by }, limits.cacheBytes),
  });
}

/** What prefetches by rule need. */
export function ruledPrefetches(
  { catalog }: Engine,
  policy: PolicyInForce,
  clock: Clock,
  onFill: () => void,
): RuledPrefetchPorts {
  return { queue: catalog.fillQueue, search: catalog.blobSearch, rules: prefetchRules(policy), clock, onFill };
}

/** Looks through the records when a window opens, and now and then while it is open. */
export function windowsJob(policy: PolicyInForce, ports: RuledPrefetchPorts): Job {
  let seen = { opened: "", at: Number.NEGATIVE_INFINITY };
  return {
    name: "prefetch-windows",
    everyMs: WINDOWS_MS,
    async run(signal) {
      const now = ports.clock.now();
      const windows = policy.current.document.content.flatMap(({ set }) =>
        typeof set.prefetch === "object" && nextStart(set.prefetch, now)?.getTime() === now.getTime()
          ? [set.prefetch]
          : [],
      );
      if (windows.length === 0) return;
      const opened = `${policy.current.version} ${JSON.stringify(windows)}`;
      const at = ports.clock.monotonic();
      if (seen.opened === opened && at - seen.at < AGAIN_MS) return;
      await prefetchInWindows(ports, signal);
      seen = { opened, at };
    },
  };
}

function prefetchRules(policy: PolicyInForce): PrefetchRules {
  return {
    prefetch: ({ artifact, blob }) => policy.current.contentRules(subjectOf(artifact, blob)).prefetch?.value,
    keeps: (resolved) => policy.keeps(resolved),
  };
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
