import type { CatalogAudit } from "./artifact/audit-trail.ts";
import { EgressQuota } from "./cache/egress-quota.ts";
import type { Config } from "./config/config.ts";
import type { Clock } from "./domain/clock.ts";
import type { Events } from "./domain/events.ts";
import type { Source } from "./domain/source.ts";
import type { Engine } from "./engine.ts";
import type { Job } from "./jobs/schedule.ts";
import { AccountedSource } from "./origin/accounted-source.ts";

/** Other replicas know of what was fetched here so long after. */
const FLUSH_MS = 1_000;
/** The admin token's project: without a limit unless one is set. */
const ADMIN_PROJECT = "admin";

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
  const limitOf = (project: string) => (project === ADMIN_PROJECT ? Infinity : limits.fetchedBytesPerDay);
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

/** What every process does for its own fetches. */
export function flushEgressJob(quota: EgressQuota): Job {
  return { name: "flush-egress", everyMs: FLUSH_MS, run: () => quota.flush() };
}
