import { CisternError } from "../domain/errors.ts";
import type { Events } from "../domain/events.ts";
import type { FillEntry } from "../domain/fill-entry.ts";
import type { FillOutcome, FillProgress } from "../domain/fill-queue.ts";
import type { Fill } from "./fill.ts";
import { type PrefetchPorts, type PrefetchWatch, prefetch } from "./prefetch.ts";

export interface RunningPorts extends PrefetchPorts {
  readonly events: Events;
}

/** Nothing is fetched for so many days. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** Why a prefetch is to stop. */
class Stop extends Error {
  readonly outcome: FillOutcome | undefined;

  constructor(outcome: FillOutcome | undefined) {
    super("the prefetch is to stop");
    this.outcome = outcome;
  }
}

/** A claimed prefetch on its way: what may end it early, and what becomes of its fetch then. */
export class RunningPrefetch {
  /** What became of it; undefined: others tell, or it was put back with all that this process had. Never rejects. */
  readonly over: Promise<FillOutcome | undefined>;
  readonly #ports: RunningPorts;
  readonly #watch: PrefetchWatch;
  readonly #abort = new AbortController();
  #untilDeadline = new AbortController();

  constructor(entry: FillEntry, ports: RunningPorts) {
    this.#ports = ports;
    this.#watch = { fill: undefined, entry };
    this.over = this.#run();
  }

  get project(): string {
    return this.#watch.entry.project;
  }

  get progress(): FillProgress {
    const { entry, fill } = this.#watch;
    const rate = fill?.rate(this.#ports.clock.monotonic()) ?? 0;
    return { id: entry.id, bytes: fill?.mark ?? 0, total: fill?.total, rate, followers: fill?.readers.size ?? 0 };
  }

  /** As the queue has it by now: somebody may have cancelled it. */
  heard(entry: FillEntry): void {
    const { deadline } = this.#watch.entry;
    this.#watch.entry = entry;
    if (entry.deadline?.getTime() !== deadline?.getTime()) this.#stopAtDeadline();
    if (entry.cancel === undefined) return;
    this.#cutUnread(entry.cancel === "forced");
    this.#abort.abort(new Stop({ state: "cancelled", bytes: this.#watch.fill?.mark ?? 0 }));
  }

  /** It is nobody's business here any more; its fetch goes on, or ends with the process. */
  letGo(): void {
    this.#abort.abort(new Stop(undefined));
  }

  async #run(): Promise<FillOutcome | undefined> {
    this.#stopAtDeadline();
    try {
      return await prefetch(this.#watch, this.#ports, this.#abort.signal);
    } catch (error) {
      if (error instanceof Stop) return error.outcome;
      this.#ports.events.emit({ kind: "job-failed", job: "prefetch", cause: error });
      return { state: "failed", code: "internal", message: "it failed here" };
    } finally {
      this.#untilDeadline.abort();
    }
  }

  /** Anew when another asker has put it off. */
  #stopAtDeadline(): void {
    this.#untilDeadline.abort();
    this.#untilDeadline = new AbortController();
    const { clock } = this.#ports;
    const { deadline } = this.#watch.entry;
    const wait = deadline === undefined ? LONGEST_TIMER_MS : deadline.getTime() - clock.now().getTime();
    if (wait >= LONGEST_TIMER_MS) return;
    const message = "its deadline passed while it was fetched";
    const late = clock.sleep(Math.max(0, wait), this.#untilDeadline.signal).then(() => {
      this.#cutUnread(false);
      this.#abort.abort(new Stop({ state: "failed", code: "deadline-passed", message }));
    });
    // It ended before, or has another one by now.
    late.catch(() => undefined);
  }

  /** A fill that somebody reads, or has begun to, goes on for them: it belongs to no request (I4). */
  #cutUnread(force: boolean): void {
    const { fill, entry } = this.#watch;
    if (fill === undefined) return;
    const others = [...fill.awaited].some((id) => id !== entry.id);
    if (force || !(fill.demanded || fill.readers.size > 0 || others)) cancelFetch(fill);
  }
}

export function cancelFetch(fill: Fill): void {
  fill.abort.abort(new CisternError("fill-cancelled", "the fetch was cancelled"));
}
