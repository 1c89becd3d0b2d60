import type { Clock } from "../../domain/clock.ts";
import { CisternError, isCisternError } from "../../domain/errors.ts";
import type { Events } from "../../domain/events.ts";
import type { JsonObject } from "../../domain/json.ts";
import type { TaskEnd, TaskKind, TaskRecord, TaskWork } from "../../domain/tasks.ts";

export interface TaskRunnerPorts {
  readonly work: TaskWork;
  readonly clock: Clock;
  readonly events: Events;
  /** Names this process. */
  readonly holder: string;
  /** Names this replica, whichever process it is. */
  readonly place: string;
}

/** What does the work of one kind of task. */
export interface TaskRun {
  /**
   * Goes on with the task from its progress; answers the result.
   * @param tell notes the progress, to be read now and gone on from later
   * @param signal aborted when it is to end: cancelled, lost to another process, or this one ends
   */
  run(task: TaskRecord, tell: (progress: JsonObject) => void, signal: AbortSignal): Promise<JsonObject>;
}

/** A process that dies is missed after so long. */
const HOLD_MS = 20_000;
const REPORT_MS = 1_000;
/** A catalog that is away for so long has given the task to another process. */
const OUTAGE_MS = HOLD_MS;

class Cancelled extends Error {}
class Lost extends Error {}

/** Does the tasks of one kind, one at a time. */
export class TaskRunner {
  readonly kind: TaskKind;
  readonly #run: TaskRun;
  readonly #ports: TaskRunnerPorts;

  constructor(kind: TaskKind, run: TaskRun, ports: TaskRunnerPorts) {
    this.kind = kind;
    this.#run = run;
    this.#ports = ports;
  }

  /** Does what is there to be done; answers how many tasks that were. */
  async turn(signal: AbortSignal): Promise<number> {
    const { work, place, holder } = this.#ports;
    for (let done = 0; ; done += 1) {
      signal.throwIfAborted();
      const task = await work.claim(this.kind, place, holder, HOLD_MS);
      if (task === undefined) return done;
      await this.#do(task, signal);
    }
  }

  async #do(task: TaskRecord, signal: AbortSignal): Promise<void> {
    const { work, holder, events } = this.#ports;
    const stop = new AbortController();
    const over = new AbortController();
    let progress = task.progress;
    const tell = (now: JsonObject) => {
      progress = now;
    };
    const keeping = this.#keep(task, () => progress, stop, over.signal);
    const ending = AbortSignal.any([signal, stop.signal]);
    try {
      if (task.cancelRequested) stop.abort(new Cancelled());
      ending.throwIfAborted();
      const result = await this.#run.run(task, tell, ending);
      await this.#end(task, { state: "done", result }, progress);
    } catch (error) {
      if (stop.signal.reason instanceof Lost) return;
      if (stop.signal.reason instanceof Cancelled)
        await this.#end(task, { state: "cancelled", result: progress }, progress);
      // The next process goes on with it, or this one after its next start.
      else if (signal.aborted) await work.release(task.id, holder).catch(ignoreOutage);
      // Nothing is wrong with it: it goes on from its progress at the next turn.
      else if (isCisternError(error, "catalog-unavailable")) {
        await work.report(task.id, holder, progress, HOLD_MS).catch(ignoreOutage);
        throw error;
      } else {
        events.emit({ kind: "job-failed", job: task.kind, cause: error });
        await this.#end(task, { state: "failed", error: reasonOf(error) }, progress);
      }
    } finally {
      over.abort();
      await keeping;
    }
  }

  async #end(task: TaskRecord, end: TaskEnd, progress: JsonObject): Promise<void> {
    const { work, holder } = this.#ports;
    await work.report(task.id, holder, progress, HOLD_MS);
    await work.finish(task.id, holder, end);
  }

  /** Holds on to the task, and hears when it is to end. */
  async #keep(task: TaskRecord, now: () => JsonObject, stop: AbortController, over: AbortSignal): Promise<void> {
    const { work, clock, holder } = this.#ports;
    for (let heard = clock.monotonic(); ; ) {
      try {
        await clock.sleep(REPORT_MS, over);
      } catch {
        return; // only the end wakes it early
      }
      try {
        const answer = await work.report(task.id, holder, now(), HOLD_MS);
        heard = clock.monotonic();
        if (answer === "cancel") stop.abort(new Cancelled());
        if (answer === "lost" && !over.aborted) stop.abort(new Lost());
      } catch (error) {
        ignoreOutage(error);
        if (clock.monotonic() - heard > OUTAGE_MS) stop.abort(new Lost());
      }
    }
  }
}

function ignoreOutage(error: unknown): void {
  if (!isCisternError(error, "catalog-unavailable")) throw error;
}

function reasonOf(error: unknown): string {
  return error instanceof CisternError ? error.message : "an unexpected error happened: the server's log tells more";
}
