import { filterAsJson } from "./cache/care/content-filter.ts";
import { Healer } from "./cache/care/heal.ts";
import { Pace } from "./cache/care/pace.ts";
import { revalidate } from "./cache/care/revalidate.ts";
import { PurgeRun, planPurge } from "./cache/care/run-purge.ts";
import { ScrubRun } from "./cache/care/run-scrub.ts";
import { ScrubHotRun } from "./cache/care/run-scrub-hot.ts";
import { VerifyRun } from "./cache/care/run-verify.ts";
import { type TaskRun, TaskRunner } from "./cache/care/task-runner.ts";
import type { Config } from "./config/config.ts";
import type { AuditTrail } from "./domain/audit.ts";
import type { Clock } from "./domain/clock.ts";
import type { ScrubItem } from "./domain/content-care.ts";
import type { ContentEntry, ContentFilter } from "./domain/content-inventory.ts";
import type { Sha256 } from "./domain/digest.ts";
import { CisternError } from "./domain/errors.ts";
import type { Events } from "./domain/events.ts";
import { placeOf } from "./domain/replica.ts";
import type { Source } from "./domain/source.ts";
import type { TaskKind } from "./domain/tasks.ts";
import type { Engine } from "./engine.ts";
import type { Job } from "./jobs/schedule.ts";
import { Wakeable } from "./jobs/wakeable.ts";
import type { Reading } from "./reading.ts";
import { CheckedSpool } from "./store/checked-spool.ts";
import { systemClock } from "./telemetry/system-clock.ts";

export interface CareParts {
  readonly engine: Engine;
  readonly reading: Reading;
  readonly events: Events;
  /** Its time of day is what all processes of the deployment agree on. */
  readonly clock: Clock;
  readonly source: Source;
  readonly audit: AuditTrail;
}

/** Looking after contents: purges, scrubs, verification, healing. */
export interface Caretaking {
  /** Turns of tasks, which run until the signal is aborted. */
  readonly loops: readonly Wakeable[];
  /** What every process does for itself. */
  readonly ownJobs: readonly Job[];
  /** What one process does for all. */
  readonly commonJobs: readonly Job[];
  wake(kind: TaskKind): void;
  planPurge(filter: ContentFilter, force: boolean): ReturnType<typeof planPurge>;
  readonly filterAsJson: typeof filterAsJson;
  isHot(content: ContentEntry): boolean;
  onBlockChanged(sha256: Sha256): Promise<void>;
  onPurged(content: ContentEntry): void;
}

const POLL_MS = 3_000;
const HEAL_MS = 5_000;
const HEAL_OUTSIDE_MS = 300_000;
const SCHEDULE_MS = 600_000;
const BLOCKS_MS = 10_000;
const REVALIDATE_MS = 60_000;
const KEEP_TASKS_MS = 90 * 24 * 3_600_000;
const MOST_HEALED = 100;
const MOST_PLANNED = 1_000;
/** Verification of one content does not wait. */
const UNPACED = Number.POSITIVE_INFINITY;

export function composeCare(
  { jobs }: Config,
  { engine, reading, events, clock, source, audit }: CareParts,
): Caretaking {
  const { catalog, store, hot, hasher, shared, holder } = engine;
  const { care, inventory, blobs, ledger, tasks, replicas } = catalog;
  const { fills, resolver, blocked, onDamaged, evictor } = reading;
  const spoolOf: ConstructorParameters<typeof Healer>[0]["spoolOf"] = (object, onRead) =>
    new CheckedSpool(object, onRead);
  const healer = new Healer({ store, hot, care, inventory, blobs, ledger, fills, hasher, events, spoolOf });
  const looking = { store, care, audit, inventory, blobs, fills, hasher, healer, events, onDamaged };
  const pace = new Pace(systemClock, () => jobs.scrubRate);
  const onPurged = ({ object }: ContentEntry) => resolver.forgetContent(object.sha256);
  const reap = async (signal: AbortSignal) => void (await evictor.reap(signal));
  const scrub = { ...looking, pace, tasks, replicas, clock: systemClock, shared };
  const runs: [TaskKind, TaskRun][] = [
    ["purge", new PurgeRun({ inventory, care, events, onPurged, reap })],
    ["scrub", new ScrubRun(scrub)],
    ["verify", new VerifyRun({ ...looking, hot, pace: new Pace(systemClock, () => UNPACED) })],
    ...(hot === undefined ? [] : [["scrub-hot", new ScrubHotRun({ ...looking, hot, pace })] as [TaskKind, TaskRun]]),
  ];
  const { policy } = reading;
  const asking = { revalidation: catalog.revalidation, source, policy, clock, events, audit };
  const place = placeOf(holder);
  const running = { work: tasks, clock: systemClock, events, holder, place };
  const loops = new Map(
    runs.map(([kind, run]) => {
      const runner = new TaskRunner(kind, run, running);
      const job: Job = { name: kind, everyMs: POLL_MS, run: async (signal) => void (await runner.turn(signal)) };
      return [kind, new Wakeable(job, { clock: systemClock, events })];
    }),
  );
  const wake = (kind: TaskKind) => loops.get(kind)?.wake();
  return {
    loops: [...loops.values()],
    ownJobs: [
      ...(hot === undefined
        ? []
        : [{ name: "heal-from-hot", everyMs: HEAL_MS, run: healEach(catalog, events, healer.fromHot.bind(healer)) }]),
      ...(shared ? [{ name: "look-at-blocks", everyMs: BLOCKS_MS, run: () => blocked.load() }] : []),
    ],
    commonJobs: [
      { name: "heal-from-outside", everyMs: HEAL_OUTSIDE_MS, run: healEach(catalog, events, anyhow(healer)) },
      { name: "revalidate", everyMs: REVALIDATE_MS, run: (signal) => revalidate(asking, signal) },
      { name: "expire-tasks", everyMs: SCHEDULE_MS, run: () => tasks.expire(KEEP_TASKS_MS) },
      ...(jobs.scrubEveryMs === 0
        ? []
        : [{ name: "schedule-scrub", everyMs: SCHEDULE_MS, run: scheduleScrub(catalog, jobs.scrubEveryMs, clock) }]),
    ],
    wake,
    planPurge: (filter, force) => planPurge(inventory, filter, force, MOST_PLANNED),
    filterAsJson,
    isHot: ({ object }) => hot?.list().some(({ name }) => sameObject(name, object)) ?? false,
    onBlockChanged: (sha256) => blocked.look(sha256),
    onPurged(content) {
      onPurged(content);
      // The job does it at its turn when this does not succeed.
      if (!shared)
        reap(AbortSignal.timeout(POLL_MS)).catch((cause) => events.emit({ kind: "job-failed", job: "reap", cause }));
    },
  };
}

/**
 * Other replicas may have found damage that only this one can heal; stores and origins that were away when it
 * was found may be back. What cannot be healed now keeps no other from it.
 */
function healEach(
  { care }: Engine["catalog"],
  events: Events,
  heal: (item: ScrubItem, signal: AbortSignal) => Promise<unknown>,
): Job["run"] {
  return async (signal) => {
    for (const item of await care.quarantined(MOST_HEALED)) {
      try {
        await heal(item, signal);
      } catch (cause) {
        signal.throwIfAborted();
        if (!(cause instanceof CisternError)) throw cause;
        events.emit({ kind: "degraded", part: "store", cause });
      }
    }
  };
}

/** What the store has may be right after all; else whatever has its bytes. */
function anyhow(healer: Healer): (item: ScrubItem, signal: AbortSignal) => Promise<unknown> {
  return async (item, signal) => (await healer.inPlace(item, signal)) || healer.heal(item, signal);
}

function scheduleScrub({ tasks }: Engine["catalog"], everyMs: number, clock: Clock): Job["run"] {
  return async () => {
    const [last] = await tasks.list({ kinds: ["scrub"] }, 1, undefined);
    const open = last !== undefined && last.finishedAt === undefined;
    if (open || (last !== undefined && clock.now().getTime() - last.createdAt.getTime() < everyMs)) return;
    await tasks.create({ kind: "scrub", query: {}, createdBy: "schedule" });
  };
}

function sameObject(one: ContentEntry["object"], other: ContentEntry["object"]): boolean {
  return one.sha256 === other.sha256 && one.fence === other.fence;
}
