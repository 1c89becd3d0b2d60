import { flushEgressJob, learnQuotasJob } from "./accounting.ts";
import type { CatalogAudit } from "./artifact/audit-trail.ts";
import { flushAuditJob, retentionJob } from "./auditing.ts";
import type { EgressQuota } from "./cache/egress-quota.ts";
import { removeUnrecorded } from "./cache/recover.ts";
import type { Caretaking } from "./caretaking.ts";
import { deploymentClock, heartbeatJob, type Membership } from "./cluster.ts";
import type { Config } from "./config/config.ts";
import type { Events } from "./domain/events.ts";
import { tellFill } from "./domain/live-fill.ts";
import type { ReplicaReport } from "./domain/replica.ts";
import type { Engine } from "./engine.ts";
import { type Job, runJobs } from "./jobs/schedule.ts";
import { underLease } from "./jobs/under-lease.ts";
import { keepJob } from "./keep-job.ts";
import { ruledPrefetches, windowsJob } from "./prefetching.ts";
import type { Reading } from "./reading.ts";
import { systemClock } from "./telemetry/system-clock.ts";

/** What has become of a fetch is told so long, and of so many. */
const KEEP_FILLS_MS = 7 * 24 * 3_600_000;
const MOST_ENDED = 20_000;
const FLUSH_READS_MS = 30_000;
const REAP_MS = 30_000;
/** Until others know of them, whoever was given wrong bytes here could go on with right ones there. */
const TELL_GRAVES_MS = 2_000;
const EVICT_MS = 10_000;
/** The net under the notifications of changed limits. */
const LIMITS_MS = 10_000;
const REFRESH_POLICY_MS = 2_000;
const HOUR_MS = 3_600_000;
/** Fills that a heartbeat tells of: each takes some 500 bytes. */
const MOST_FILLS = 200;
/** An upload of parts that nobody has completed by then belongs to a process that is dead. */
const STALE_UPLOAD_MS = 24 * HOUR_MS;
/** An object that no row names is what a dead process left, or all that a database put back from a backup has lost: time for `cistern rebuild`. */
const UNRECORDED_MS = 7 * 24 * HOUR_MS;

export interface JobParts {
  readonly engine: Engine;
  readonly reading: Reading;
  readonly events: Events;
  readonly membership: Membership | undefined;
  readonly care: Caretaking;
  readonly audit: CatalogAudit;
  readonly quota: EgressQuota;
  /** Told when the queue of fills has something to do. */
  onFill(): void;
}

/** Starts the background jobs; disposal ends them. */
export function startJobs(config: Config, parts: JobParts): AsyncDisposable {
  const { engine, events, membership } = parts;
  const ending = new AbortController();
  const flushes = [
    flushAuditJob(parts.audit),
    flushEgressJob(parts.quota),
    learnQuotasJob(parts.reading.projectLimits),
  ];
  const jobs = [...flushes, ...ownJobs(config, parts), ...commonJobs(config, parts)];
  const loops = parts.care.loops.map((loop) => loop.run(ending.signal));
  const once = membership === undefined ? recover(engine, events, ending.signal) : undefined;
  const running = runJobs(jobs, { clock: systemClock, events }, ending.signal);
  return {
    async [Symbol.asyncDispose]() {
      ending.abort();
      await Promise.all([running, once, ...loops]);
    },
  };
}

/** What every process does for itself. */
function ownJobs({ jobs }: Config, { engine, reading, membership, care }: JobParts): readonly Job[] {
  const { catalog } = engine;
  const flush: Job = { name: "flush-reads", everyMs: FLUSH_READS_MS, run: () => reading.reads.flush(catalog.ledger) };
  const { tombstones } = reading;
  const giveBack: Job = { name: "give-back", everyMs: REAP_MS, run: () => reading.evictor.giveBack() };
  const tell: Job = { name: "tell-graves", everyMs: TELL_GRAVES_MS, run: () => tombstones.tellAgain() };
  const limits: Job = { name: "limits", everyMs: LIMITS_MS, run: () => reading.capacity.refresh() };
  // Notifications are not promised to come.
  const policy: Job = { name: "refresh-policy", everyMs: REFRESH_POLICY_MS, run: () => reading.policy.refresh() };
  const beat = (clock: Membership["clock"]) => heartbeatJob(engine, clock, () => reportOf(engine, reading));
  if (membership !== undefined) return [flush, tell, limits, policy, giveBack, beat(membership.clock), ...care.ownJobs];
  // A server does by itself what the embedded catalog must be told.
  const housekeep: Job = {
    name: "housekeep",
    everyMs: jobs.housekeepMs,
    run: (signal) => catalog.housekeep(signal),
  };
  return [flush, giveBack, housekeep, ...care.ownJobs];
}

/** What the other replicas are told of this one. */
function reportOf({ spool, hot }: Engine, { live }: Reading): ReplicaReport {
  const tiers = hot === undefined ? { spool: spool.use } : { spool: spool.use, hot: hot.use };
  return { ...tiers, fills: live.list().slice(0, MOST_FILLS).map(tellFill) };
}

/** What one process does for all. */
function commonJobs(config: Config, { engine, reading, events, membership, care, onFill }: JobParts): readonly Job[] {
  const { catalog, store, holder } = engine;
  const { policy } = reading;
  const jobs: Job[] = [
    { name: "reap", everyMs: REAP_MS, run: async (signal) => void (await reading.evictor.reap(signal)) },
    { name: "evict", everyMs: EVICT_MS, run: (signal) => reading.evictor.evictDown(signal) },
    keepJob(engine, policy),
    retentionJob(engine, membership, config.jobs.auditRetentionMs),
    { name: "expire-graves", everyMs: HOUR_MS, run: () => catalog.graves.expire() },
    ...care.commonJobs,
    windowsJob(policy, ruledPrefetches(engine, policy, deploymentClock(membership), onFill)),
    {
      name: "prune-fills",
      everyMs: HOUR_MS,
      run: async () => void (await catalog.fillWork.prune(KEEP_FILLS_MS, MOST_ENDED)),
    },
  ];
  if (membership === undefined) return jobs;
  const housekeep = (signal: AbortSignal) => catalog.housekeep(signal);
  const sweep = async (signal: AbortSignal) => {
    await store.sweep(new Date(membership.clock.now() - STALE_UPLOAD_MS), signal);
  };
  const releaseDead = async () => {
    if (membership.clock.tellsOfDead) await catalog.space.releaseDead();
  };
  const ports = { store, ledger: catalog.ledger, events };
  const sweepObjects = async (signal: AbortSignal) => {
    await removeUnrecorded(ports, signal, new Date(membership.clock.now() - UNRECORDED_MS));
  };
  const all = [
    ...jobs,
    { name: "housekeep", everyMs: HOUR_MS, run: housekeep },
    { name: "release-dead", everyMs: REAP_MS, run: releaseDead },
    { name: "sweep-uploads", everyMs: HOUR_MS, run: sweep },
    { name: "sweep-objects", everyMs: HOUR_MS, run: sweepObjects },
  ];
  return all.map((job) => underLease(job, { leases: catalog.leases, clock: systemClock, holder }));
}

/** Once after the start, beside the first requests: what a crash left between bytes and row. */
async function recover({ store, catalog }: Engine, events: Events, signal: AbortSignal): Promise<void> {
  try {
    await removeUnrecorded({ store, ledger: catalog.ledger, events }, signal);
  } catch (cause) {
    if (!signal.aborted) events.emit({ kind: "job-failed", job: "recover", cause });
  }
}
