import { CisternError } from "../domain/errors.ts";
import type { BlobBody, Piece } from "./body.ts";
import type { Fill, FillReader } from "./fill.ts";
import type { ReadBudget } from "./read-budget.ts";
import type { Waiter } from "./wake-list.ts";

/** Bytes at the end of every response that wait for the verdict (I1). */
export const HELD_BACK = 64 * 1024;
/** A held-back response gets a byte now and then, so that idle time-outs of clients do not end it. */
const TRICKLE_MS = 10_000;

/**
 * One reader of a fill, at its own offset and its own speed: what is recent comes from memory, what
 * is older from the spool. The last 64 KiB of its range wait for the verdict of the whole content.
 */
export class Follower implements BlobBody, FillReader {
  readonly #fill: Fill;
  readonly #budget: ReadBudget;
  readonly #caller: string | undefined;
  readonly #waiter: Waiter = { fresh: true, wake: undefined };
  /** Offset behind the last byte wanted; undefined: the end of the content, wherever it is. */
  readonly #end: number | undefined;
  #position: number;
  #failure: CisternError | undefined;
  #closed = false;
  #trickle: NodeJS.Timeout | undefined;
  #trickled = 0;

  /** @param caller token and address, for the tombstone when bytes turn out wrong; undefined: another replica's, nobody knows whose */
  constructor(fill: Fill, start: number, end: number | undefined, budget: ReadBudget, caller: string | undefined) {
    this.#fill = fill;
    this.#position = start;
    this.#end = end;
    this.#budget = budget;
    this.#caller = caller;
    fill.join(this);
  }

  get position(): number {
    return this.#position;
  }

  async next(max: number): Promise<Piece | undefined> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure;
      if (this.#closed) return undefined;
      const end = this.#end ?? this.#fill.verdict?.size;
      if (end !== undefined && this.#position >= end) return undefined;
      const available = this.#releasable() - this.#position;
      // Whom a failing fill has given bytes is being told by now: nobody gets a first byte any more.
      const late = this.#waiter.fresh && this.#fill.failing && this.#fill.verdict === undefined;
      if (available > 0 && !late) return this.#take(Math.min(max, available));
      if (this.#fill.mark > this.#position) this.#armTrickle();
      await this.#fill.progress(this.#waiter);
    }
  }

  cut(error: CisternError): void {
    this.#failure ??= error;
    this.#waiter.wake?.();
  }

  [Symbol.dispose](): void {
    if (this.#closed) return;
    this.#closed = true;
    clearTimeout(this.#trickle);
    this.#waiter.wake?.();
    this.#fill.leave(this);
  }

  /** Offset up to which this reader may have bytes now. */
  #releasable(): number {
    const fill = this.#fill;
    if (fill.verdict !== undefined) return this.#end ?? fill.verdict.size;
    const end = this.#end ?? fill.total;
    if (end === undefined) return fill.mark - HELD_BACK;
    const held = Math.max(end - HELD_BACK, 0);
    return Math.min(fill.mark, Math.max(held + this.#trickled, 0), end - 1);
  }

  #armTrickle(): void {
    this.#trickle ??= setTimeout(() => {
      this.#trickle = undefined;
      // One byte more than what has been taken so far; `#releasable` keeps the last one back.
      const end = this.#end ?? this.#fill.total;
      if (end !== undefined) this.#trickled = Math.max(0, this.#position + 1 - Math.max(end - HELD_BACK, 0));
      this.#waiter.wake?.();
    }, TRICKLE_MS);
  }

  async #take(max: number): Promise<Piece> {
    const recent = this.#fill.recentSlice(this.#position, max);
    const piece = recent === undefined ? await this.#read(max) : hold(recent);
    this.#position += piece.bytes;
    if (this.#waiter.fresh) {
      this.#waiter.fresh = false;
      this.#fill.feed(this.#caller);
    }
    return piece;
  }

  /** Reads what is no longer recent from the spool. */
  async #read(max: number): Promise<Piece> {
    const spool = this.#fill.spool;
    const there = spool === undefined ? 0 : spool.written - this.#position;
    if (spool === undefined || there <= 0) {
      throw new CisternError("too-busy", "there is no disk space to keep bytes for a reader this far behind");
    }
    const bytes = this.#budget.grant(Math.min(max, there));
    const buffer = this.#budget.take(bytes);
    this.#budget.hold(bytes);
    try {
      const read = await spool.read(buffer.subarray(0, bytes), this.#position);
      if (read <= 0) throw new CisternError("internal", "the spool ended early");
      return {
        chunks: [buffer.subarray(0, read)],
        bytes: read,
        release: () => {
          this.#budget.give(bytes);
          this.#budget.recycle(buffer);
        },
      };
    } catch (error) {
      this.#budget.give(bytes);
      throw error;
    }
  }
}

function hold(chunks: readonly Uint8Array[]): Piece {
  let bytes = 0;
  for (const chunk of chunks) bytes += chunk.length;
  return { chunks, bytes, release: () => undefined };
}
