import { CatalogAudit } from "./artifact/audit-trail.ts";
import { deploymentClock, type Membership } from "./cluster.ts";
import type { Events } from "./domain/events.ts";
import type { Engine } from "./engine.ts";
import type { Job } from "./jobs/schedule.ts";

/** Requests that left are in the catalog so long after they are over. */
const FLUSH_MS = 1_000;

export interface AuditingParts {
  readonly engine: Engine;
  readonly events: Events;
  readonly membership: Membership | undefined;
}

/** Composes the audit; the stack writes what waits. */
export function composeAudit({ engine, events, membership }: AuditingParts, stack: AsyncDisposableStack): CatalogAudit {
  const clock = deploymentClock(membership);
  const audit = new CatalogAudit({ catalog: engine.catalog.auditRows, clock, events });
  stack.defer(() => audit.flush().catch((cause) => events.emit({ kind: "job-failed", job: "flush-audit", cause })));
  return audit;
}

/** So many entries go in one transaction; the next one waits a little, for others to get in between. */
const RETENTION_BATCH = 1_000;
const RETENTION_PAUSE_MS = 50;
const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** What one process does for all: what is older goes, in small steps. */
export function retentionJob({ catalog }: Engine, membership: Membership | undefined, keepMs: number): Job {
  const clock = deploymentClock(membership);
  return {
    name: "expire-audit",
    everyMs: HOUR_MS,
    async run(signal) {
      const before = new Date(clock.now().getTime() - keepMs);
      while ((await catalog.auditRows.expire(before, RETENTION_BATCH)) === RETENTION_BATCH) {
        await clock.sleep(RETENTION_PAUSE_MS, signal);
      }
      await catalog.quotas.expire(Math.ceil(keepMs / DAY_MS));
    },
  };
}

/** What every process does for its own entries. */
export function flushAuditJob(audit: CatalogAudit): Job {
  return { name: "flush-audit", everyMs: FLUSH_MS, run: () => audit.flush() };
}
