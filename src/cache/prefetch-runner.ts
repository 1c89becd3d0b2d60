import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import { isCisternError } from "../domain/errors.ts";
import type { FillEntry, FillId } from "../domain/fill-entry.ts";
import type { FillLimits } from "../domain/fill-limits.ts";
import type { FillOutcome, FillQueue, FillUpkeep, FillWork } from "../domain/fill-queue.ts";
import { ADMIN_PROJECT } from "../domain/principal.ts";
import type { RunningFills } from "./live-fills.ts";
import { searchOn } from "./prefetch-query.ts";
import { cancelFetch, type RunningPorts, RunningPrefetch } from "./running-prefetch.ts";

export interface RunnerPorts extends RunningPorts {
  readonly queue: FillQueue;
  readonly work: FillWork & FillUpkeep;
  readonly artifacts: ArtifactCatalog;
  readonly live: RunningFills;
  /** Names this process. */
  readonly holder: string;
  /** In force now. */
  limits(): FillLimits;
}

/** A replica that is killed is missed after so long. */
const CLAIM_MS = 15_000;
/** Between two looks at the queue, and two reports of progress. */
const TURN_MS = 3_000;
/** Where nothing runs and nothing is told, the queue is looked at less often. */
const IDLE_TURNS = 3;
/** For so long after a turn of a query another one is expected. */
const QUERY_MS = 30_000;
/** How often what has become of a fill is told to a catalog that does not answer. */
const TELL_ATTEMPTS = 5;

/** Works on the queue: claims what this process has room for, and hears what is to stop. */
export class PrefetchRunner implements AsyncDisposable {
  readonly #ports: RunnerPorts;
  readonly #running = new Map<FillId, RunningPrefetch>();
  /** Of what has ended, or is to: the queue is being told. */
  readonly #telling = new Set<Promise<void>>();
  readonly #ending = new AbortController();
  readonly #loop: Promise<void>;
  #wake: (() => void) | undefined;
  #woken = false;
  #idle = 0;
  #queryUntil = 0;

  constructor(ports: RunnerPorts) {
    this.#ports = ports;
    this.#loop = this.#turns();
  }

  /** Something is to be done, or to stop. */
  wake(): void {
    this.#woken = true;
    this.#wake?.();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ending.abort();
    await this.#loop;
    for (const running of this.#running.values()) running.letGo();
    await Promise.all(this.#telling);
    await this.#ports.work.releaseAll(this.#ports.holder, false).catch((error) => this.#degraded(error));
  }

  async #turns(): Promise<void> {
    while (!this.#ending.signal.aborted) {
      const woken = this.#woken;
      this.#woken = false;
      try {
        await this.#turn(woken);
      } catch (error) {
        this.#degraded(error);
      }
      if (!this.#woken) await this.#pause();
    }
  }

  async #pause(): Promise<void> {
    const { clock } = this.#ports;
    const early = new AbortController();
    this.#wake = () => early.abort();
    const signal = AbortSignal.any([early.signal, this.#ending.signal]);
    // Not all replicas at the same moment.
    await clock.sleep(TURN_MS * (0.75 + clock.random() / 2), signal).catch(() => undefined);
    this.#wake = undefined;
  }

  async #turn(woken: boolean): Promise<void> {
    await this.#renew();
    this.#idle += 1;
    const busy = this.#running.size > 0 || this.#ports.clock.monotonic() < this.#queryUntil;
    if (busy || woken || this.#idle >= IDLE_TURNS) await this.#begin();
  }

  async #begin(): Promise<void> {
    const { work, holder, limits } = this.#ports;
    this.#idle = 0;
    await work.expire();
    const { prefetchAtOnce, prefetchPerOrigin: perOrigin, prefetchPerProject: perProject } = limits();
    const most = { perOrigin, perProject };
    while (this.#running.size < prefetchAtOnce && this.#hasSpool() && !this.#ending.signal.aborted) {
      const except = this.#running.size === prefetchAtOnce - 1 ? this.#onlyProject() : undefined;
      const entry = await work.claim("prefetch", holder, { ...most, except }, CLAIM_MS);
      if (entry === undefined) break;
      this.#start(entry);
    }
    const query = await work.claim("query", holder, most, CLAIM_MS);
    if (query === undefined) return;
    this.#queryUntil = this.#ports.clock.monotonic() + QUERY_MS;
    const outcome = await searchOn(query, this.#ports);
    await work.finish(query.id, holder, outcome);
    // It goes on, or another one's turn has come: no pause.
    this.wake();
  }

  /** Whose prefetches alone run here: the last place is not for it, or it could keep all others out for ever. */
  #onlyProject(): string | undefined {
    const [only, ...others] = new Set([...this.#running.values()].map(({ project }) => project));
    return others.length > 0 || only === ADMIN_PROJECT ? undefined : only;
  }

  #hasSpool(): boolean {
    const { used, limit } = this.#ports.spool();
    return used < limit;
  }

  /** Tells how far everything is, and hears what is to stop. */
  async #renew(): Promise<void> {
    const { work, holder } = this.#ports;
    const told = [...this.#running.values()].map(({ progress }) => progress);
    const entries = await work.renew(holder, told, CLAIM_MS);
    const own = new Map(entries.map((entry) => [entry.id, entry]));
    for (const { id } of told) {
      const entry = own.get(id);
      // Somebody else has it by now: what is fetched here is joined there.
      if (entry === undefined) this.#running.get(id)?.letGo();
      else this.#running.get(id)?.heard(entry);
    }
    for (const entry of entries) if (entry.kind === "demand") await this.#obey(entry);
  }

  /** Stops a fill of demand; one that has found a reader since goes on for it, unless it is forced. */
  async #obey(order: FillEntry): Promise<void> {
    const { work, live, holder } = this.#ports;
    const fill = live.find(order.id);
    const bytes = fill?.mark ?? order.bytes;
    if (fill !== undefined && (order.cancel === "forced" || fill.readers.size === 0)) {
      cancelFetch(fill);
    }
    await work.finish(order.id, holder, { state: "cancelled", bytes });
  }

  #start(entry: FillEntry): void {
    const running = new RunningPrefetch(entry, this.#ports);
    this.#running.set(entry.id, running);
    const told = running.over.then((outcome) => (outcome === undefined ? undefined : this.#tell(entry.id, outcome)));
    const ended = told.then(() => {
      this.#running.delete(entry.id);
      this.wake();
    });
    this.#telling.add(ended);
    void ended.then(() => this.#telling.delete(ended));
  }

  /** Tries again while the catalog is away; a claim that nobody ends runs out. */
  async #tell(id: FillId, outcome: FillOutcome): Promise<void> {
    const { work, holder, clock } = this.#ports;
    for (let attempt = 1; attempt <= TELL_ATTEMPTS; attempt += 1) {
      try {
        return await work.finish(id, holder, outcome);
      } catch (error) {
        this.#degraded(error);
      }
      await clock.sleep(1_000 * attempt, this.#ending.signal).catch(() => undefined);
    }
  }

  #degraded(error: unknown): void {
    if (isCisternError(error, "catalog-unavailable")) {
      this.#ports.events.emit({ kind: "degraded", part: "catalog", cause: error });
    } else {
      this.#ports.events.emit({ kind: "job-failed", job: "prefetch", cause: error });
    }
  }
}
