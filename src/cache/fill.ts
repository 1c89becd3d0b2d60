import type { BlobId } from "../domain/blob.ts";
import { CisternError } from "../domain/errors.ts";
import type { FillId } from "../domain/fill-entry.ts";
import type { Lease } from "../domain/lease.ts";
import type { SpoolFile } from "../domain/spool.ts";
import type { FillPlan, FillRecord, SpooledFrom, Verdict } from "./fill-plan.ts";
import { RecentBytes } from "./recent-bytes.ts";
import { type Waiter, WakeList } from "./wake-list.ts";

/** A reader as the fill sees it: where it stands, and how to cut it. */
export interface FillReader {
  readonly position: number;
  cut(error: CisternError): void;
}

/** Bytes kept in memory for readers when there is no disk to keep them on. */
export const WINDOW = 16 * 1024 * 1024;
const MAX_FED = 20_000;

/**
 * One run of source → verify → spool → store, as its readers see it: how far it has come and what
 * became of it. It belongs to no request (I4); `runFill` moves it.
 */
export class Fill {
  readonly id: string;
  readonly plan: FillPlan;
  readonly records = new Map<BlobId, FillRecord>();
  readonly readers = new Set<FillReader>();
  /** Callers (token and address) that were given bytes: for tombstones when it fails. */
  readonly fed = new Set<string>();
  readonly startedAt: number;
  /** Aborted when the fill is to stop: cancelled, or the process ends. */
  readonly abort = new AbortController();
  readonly #progress = new WakeList();
  #recent = new RecentBytes(0);
  #spool: SpoolFile | undefined;
  #spoolDone = false;
  #closing: Promise<void> = Promise.resolve();
  #total: number | undefined;
  #opened = false;
  #begunAt = 0;
  #fedBeyond = false;
  #windowed = false;
  #lease: Lease | undefined;
  #origin: SpooledFrom | undefined;
  #verdict: Verdict | undefined;
  #failure: CisternError | undefined;
  #keeps: boolean;

  readonly #keepRecent: () => number;

  /**
   * @param startedAt milliseconds of the monotonic clock
   * @param keepRecent bytes that may stay in memory, beyond those that are not spooled yet
   */
  constructor(id: string, plan: FillPlan, startedAt: number, keepRecent: () => number, demanded = true) {
    this.demanded = demanded;
    this.#keepRecent = keepRecent;
    this.id = id;
    this.plan = plan;
    this.#keeps = plan.keep;
    this.startedAt = startedAt;
    this.#total = plan.size;
  }

  /** High-water mark: bytes that have arrived, contiguous from 0. */
  get mark(): number {
    return this.#recent.end;
  }

  /** Bytes of the whole: recorded, or announced by the source; undefined while nobody knows. */
  get total(): number | undefined {
    return this.#verdict?.size ?? this.#total;
  }

  /** True once a source has answered: sizes are known as far as they will be before the verdict. */
  get opened(): boolean {
    return this.#opened;
  }

  /** Whether its bytes are to be kept in the store. */
  get keeps(): boolean {
    return this.#keeps;
  }

  /** Somebody has joined it whose own fill would be kept. After the verdict it is too late: the next one fetches anew. */
  keep(): void {
    if (this.plan.content === undefined && this.plan.around === undefined) this.#keeps = true;
  }

  get verdict(): Verdict | undefined {
    return this.#verdict;
  }

  get failure(): CisternError | undefined {
    return this.#failure;
  }

  /** True when bytes behind the recent ones are gone: the disk is full. */
  get windowed(): boolean {
    return this.#windowed;
  }

  get spool(): SpoolFile | undefined {
    return this.#spool;
  }

  /** Bytes per second so far; 0 before the first. */
  rate(now: number): number {
    return now <= this.startedAt ? 0 : ((this.mark - this.#begunAt) * 1000) / (now - this.startedAt);
  }

  /** True when a reader that begins at `offset` can still be served. */
  reaches(offset: number): boolean {
    const { start } = this.#recent;
    const written = this.#spool?.written ?? 0;
    // Once the disk is full nothing more is written: what lies between the file and the window is gone.
    return offset >= start || (offset < written && (!this.#windowed || written >= start));
  }

  /** Under which it fetches from the outside; undefined while it does not. */
  get lease(): Lease | undefined {
    return this.#lease;
  }

  hold(lease: Lease | undefined): void {
    this.#lease = lease;
    this.#progress.wakeAll();
  }

  /** The location whose bytes these are; undefined before a source has answered. */
  get origin(): SpooledFrom | undefined {
    return this.#origin;
  }

  comesFrom(origin: SpooledFrom): void {
    this.#origin = origin;
  }

  /** There is no room in the cache for it: verified and handed on, and kept only if there is some in the end. */
  passing = false;
  /** Somebody has asked for it in order to read it; else it is fetched before anybody does. */
  demanded: boolean;
  /** The prefetches that wait for it. */
  readonly awaited = new Set<FillId>();
  /** It has not begun: too many others fetch. */
  waiting = false;

  /** It is about to fail, or has: nobody may join it. */
  failing = false;
  /** Told once when it has failed, before its readers are. */
  onFail: ((error: CisternError) => void) | undefined;
  /** Told once where the fill begins: true when it goes on with an earlier run's bytes. */
  onBegin: ((resumed: boolean) => void) | undefined;

  /** The spool that the fill writes, and the offset at which it goes on (0, or what was resumed). */
  begin(spool: SpoolFile | undefined, offset: number): void {
    this.#spool = spool;
    this.#begunAt = offset;
    this.#recent = new RecentBytes(offset);
    this.#windowed = spool === undefined;
    this.onBegin?.(offset > 0);
  }

  /** A source has answered. The first announcement stands, for readers may have been told of it. */
  open(total: number | undefined): void {
    this.#total ??= total;
    this.#opened = true;
    this.#progress.wakeAll();
  }

  /** Bytes have arrived. */
  push(chunk: Uint8Array): void {
    this.#recent.push(chunk);
    this.trim();
    this.#progress.wakeAll();
  }

  /** Forgets recent bytes that the spool holds by now. */
  trim(): void {
    if (this.#windowed) return;
    const until = Math.min(this.#recent.end - this.#keepRecent(), this.#spool?.written ?? 0);
    if (until > this.#recent.start) this.#recent.dropBefore(until);
  }

  /** The disk is full: go on in a window of memory. */
  becomeWindowed(): void {
    this.#windowed = true;
  }

  /** Forgets bytes before `offset` though some reader may want them (window mode). */
  dropBefore(offset: number): void {
    this.#recent.dropBefore(offset);
  }

  get recentStart(): number {
    return this.#recent.start;
  }

  /** The newest bytes, when `offset` lies in them. */
  recentSlice(offset: number, max: number): Uint8Array[] | undefined {
    return offset >= this.#recent.start ? this.#recent.slice(offset, max) : undefined;
  }

  pass(verdict: Verdict): void {
    this.#verdict = verdict;
    this.#opened = true;
    this.#progress.wakeAll();
  }

  /** Ends it for every reader; after the verdict the bytes are right, and nothing fails any more. */
  fail(error: CisternError): void {
    if (this.#verdict !== undefined || this.#failure !== undefined) return;
    this.#failure = error;
    this.failing = true;
    // Before anybody is cut: a client that resumes comes back at once.
    this.onFail?.(error);
    for (const reader of this.readers) reader.cut(error);
    // A reader that is cut reads no more: it does not keep the spool from the next run.
    this.readers.clear();
    this.#progress.wakeAll();
  }

  /** Waits for the next progress of any kind. */
  progress(waiter: Waiter): Promise<void> {
    return this.#progress.wait(waiter);
  }

  /**
   * Waits until `seen` answers something, and answers that. Rejects with the fill's failure, with
   * the signal's reason, or with `origin-timeout` after `milliseconds`.
   */
  async until<T>(seen: () => T | undefined, milliseconds: number, signal: AbortSignal): Promise<T> {
    const waiter: Waiter = { fresh: true, wake: undefined };
    let late = false;
    const onAbort = () => waiter.wake?.();
    const timer = setTimeout(() => {
      late = true;
      waiter.wake?.();
    }, milliseconds);
    signal.addEventListener("abort", onAbort, { once: true });
    try {
      for (;;) {
        if (this.#failure !== undefined) throw this.#failure;
        const answer = seen();
        if (answer !== undefined) return answer;
        signal.throwIfAborted();
        if (late)
          throw new CisternError("origin-timeout", "the origin did not deliver in time; try again later", {
            retryAfter: 30,
          });
        await this.#progress.wait(waiter);
      }
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", onAbort);
    }
  }

  /** A caller is given bytes; undefined: one that another replica knows. */
  feed(caller: string | undefined): void {
    if (caller !== undefined && this.fed.size < MAX_FED) this.fed.add(caller);
    else this.#fedBeyond = true;
  }

  /** True when bytes went to callers that are not all known: too many, of an earlier process, or of other replicas. */
  get fedUnknown(): boolean {
    return this.#fedBeyond || this.#begunAt > 0;
  }

  join(reader: FillReader): void {
    this.readers.add(reader);
  }

  /** The last reader of an ended fill closes the spool. */
  leave(reader: FillReader): void {
    this.readers.delete(reader);
    this.#closeWhenUnused();
    // `finishSpool` reports what it waits for; later there is nobody left to be told.
    this.#closing.catch(() => undefined);
  }

  /** The run is over: the spool is closed with the last reader. Waits for that if nobody reads. */
  async finishSpool(): Promise<void> {
    this.#spoolDone = true;
    this.#closeWhenUnused();
    await this.#closing;
  }

  #closeWhenUnused(): void {
    if (!this.#spoolDone || this.readers.size > 0 || this.#spool === undefined) return;
    const spool = this.#spool;
    this.#spool = undefined;
    this.#closing = Promise.resolve(spool[Symbol.asyncDispose]());
  }
}
