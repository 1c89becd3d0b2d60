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

/** What every process does for its own entries. */
export function flushAuditJob(audit: CatalogAudit): Job {
  return { name: "flush-audit", everyMs: FLUSH_MS, run: () => audit.flush() };
}
