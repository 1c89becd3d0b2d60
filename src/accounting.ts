import type { CatalogAudit } from "./artifact/audit-trail.ts";
import { EgressQuota } from "./cache/egress-quota.ts";
import type { LiveCapacity } from "./cache/live-capacity.ts";
import type { ProjectLimits } from "./cache/project-limits.ts";
import type { Config } from "./config/config.ts";
import type { Clock } from "./domain/clock.ts";
import type { Events } from "./domain/events.ts";
import { ADMIN_PROJECT } from "./domain/principal.ts";
import type { Source } from "./domain/source.ts";
import type { Engine } from "./engine.ts";
import type { Job } from "./jobs/schedule.ts";
import { AccountedSource } from "./origin/accounted-source.ts";

/** Other replicas know of what was fetched here so long after. */
const FLUSH_MS = 1_000;

export interface AccountingParts {
  readonly engine: Engine;
  readonly audit: CatalogAudit;
  readonly clock: Clock;
  readonly events: Events;
}

export interface Accounting {
  readonly source: Source;
  readonly quota: EgressQuota;
  /** Tells the source what becomes of fills, too. */
  readonly events: Events;
}

/** Puts what counts and notes around the way out; the stack writes what waits. */
export function composeAccounting(
  { limits }: Config,
  inner: Source,
  { engine, audit, clock, events }: AccountingParts,
  stack: AsyncDisposableStack,
): Accounting {
  const limitOf = (project: string) => bytesPerDay(limits, project);
  const quota = new EgressQuota({ quotas: engine.catalog.quotas, clock, limitOf });
  stack.defer(() => quota.flush().catch((cause) => events.emit({ kind: "job-failed", job: "flush-egress", cause })));
  const source = new AccountedSource({ source: inner, meter: quota, log: audit });
  const telling: Events = {
    emit(event) {
      events.emit(event);
      source.hear(event);
    },
  };
  return { source, quota, events: telling };
}

/** What holds for projects of which nothing is set; Infinity: no limit. */
export function quotaDefaults(limits: Config["limits"], capacity: LiveCapacity) {
  return (project: string) => ({
    fetchedBytesPerDay: bytesPerDay(limits, project),
    concurrentFills: capacity.fills.perProject,
  });
}

function bytesPerDay({ fetchedBytesPerDay }: Config["limits"], project: string): number {
  return project === ADMIN_PROJECT ? Number.POSITIVE_INFINITY : fetchedBytesPerDay;
}

/** Quotas that were set on another replica hold here so long after. */
const LEARN_MS = 2_000;

export function learnQuotasJob(limits: ProjectLimits): Job {
  return { name: "learn-quotas", everyMs: LEARN_MS, run: () => limits.look() };
}

/** What every process does for its own fetches. */
export function flushEgressJob(quota: EgressQuota): Job {
  return { name: "flush-egress", everyMs: FLUSH_MS, run: () => quota.flush() };
}
