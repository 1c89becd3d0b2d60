import type { Clock } from "../domain/clock.ts";
import type { Events } from "../domain/events.ts";

export interface Job {
  readonly name: string;
  /** Milliseconds between the end of one run and the begin of the next. */
  readonly everyMs: number;
  run(signal: AbortSignal): Promise<void>;
}

/**
 * Runs jobs one after the other in turns of their own until the signal is aborted; resolves when
 * all have ended. A job that fails is reported and runs again at its next turn.
 */
export async function runJobs(
  jobs: readonly Job[],
  ports: { readonly clock: Clock; readonly events: Events },
  signal: AbortSignal,
): Promise<void> {
  await Promise.all(jobs.map((job) => turns(job, ports, signal)));
}

async function turns(
  job: Job,
  ports: { readonly clock: Clock; readonly events: Events },
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await ports.clock.sleep(job.everyMs, signal);
    } catch {
      return; // only the end wakes it early
    }
    try {
      await job.run(signal);
    } catch (cause) {
      if (!signal.aborted) ports.events.emit({ kind: "job-failed", job: job.name, cause });
    }
  }
}
