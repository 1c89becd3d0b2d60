import type { ErrorCode } from "./errors.ts";
import type { FillEntry, FillFacts, FillId, FillKind, FillState, NewFill, QueryState, Tally } from "./fill-entry.ts";

// Why no queue from outside, though two good ones were looked at.
// pg-boss 12 takes a foreign connection (an adapter for drizzle, one for PGlite), priorities, delayed
// starts and retries. It would bring a second driver (pg), a schema of 17 tables with migrations of its
// own beside ours (which `cistern migrate`, `migrate-to` and the lock of a start do not know), and a
// poll of half a second at best where the connection is ours. And what matters here it has not: a limit
// per origin and another per project at once (its groups are one), a deadline of what waits, progress,
// a cancellation that the running handler hears of, one waiting job per blob that a second asker is
// given. Those would be a table of ours beside its tables.
// graphile-worker 0.17 wants a pool of pg: neither postgres.js nor PGlite (its issue 441).
// What is left of a queue then is one statement, `claim`; and since limits must hold for all claimers
// together, they take turns (an advisory lock) where a queue without limits would skip locked rows.

export interface FillListQuery {
  /** Rows of these states; empty: all. */
  readonly states: readonly FillState[];
  readonly kind?: FillKind;
  readonly project?: string;
  readonly origin?: string;
  /** Address of the replica that runs it, or did last. */
  readonly replica?: string;
  readonly parent?: FillId;
  readonly artifact?: string;
  /** At most 1000. Newest first, by (created_at, id). */
  readonly limit: number;
  /** Cursor of the last one of the page before; `invalid-input` on `query.after` when it is none. */
  readonly after?: string;
}

export interface FillPage {
  readonly fills: readonly FillEntry[];
  /** Cursor for the next page; undefined: there is none. */
  readonly next: string | undefined;
}

/** Prefetches as those who ask for them see them. Writes are durable when they resolve; `catalog-unavailable`. */
export interface FillQueue {
  /**
   * Queues it. A blob waits or runs once: what is there already is answered, and while it waits it
   * takes over the higher priority, the earlier start, the later deadline and the longer pin.
   */
  add(fill: NewFill): Promise<{ readonly fill: FillEntry; readonly fresh: boolean }>;
  /** Queues those of whose blobs none waits or runs; answers how many. */
  addMissing(fills: readonly NewFill[]): Promise<number>;
  find(id: FillId): Promise<FillEntry | undefined>;
  list(query: FillListQuery): Promise<FillPage>;
  /**
   * What waits is cancelled at once, with all that is a part of it; what runs is told to its replica.
   * What has ended stays as it is. undefined: there is none.
   */
  cancel(id: FillId, force: boolean): Promise<FillEntry | undefined>;
  /** What has become of the parts of these queries. */
  tally(queries: readonly FillId[]): Promise<ReadonlyMap<FillId, Tally>>;
}

/** How many prefetches run at once in the whole deployment. */
export interface ClaimLimits {
  readonly perOrigin: number;
  readonly perProject: number;
  /** It has enough: of other projects only. */
  readonly except?: string | undefined;
}

/** What a replica tells of a fill that it runs. */
export interface FillProgress {
  readonly id: FillId;
  readonly bytes: number;
  readonly total: number | undefined;
  /** Bytes per second. */
  readonly rate: number;
  readonly followers: number;
}

/** What has become of a claimed fill. */
export type FillOutcome =
  | { readonly state: "done" | "cancelled"; readonly bytes: number }
  | { readonly state: "failed"; readonly code: ErrorCode | "deadline-passed"; readonly message: string }
  /**
   * Once more after a pause (milliseconds).
   * @param counted an attempt was used up: it has failed, and was not only in the way of others
   */
  | {
      readonly state: "queued";
      readonly pause: number;
      readonly counted: boolean;
      readonly code?: ErrorCode;
      readonly message?: string;
    }
  /** A query that goes on, here or elsewhere, after a pause (milliseconds). */
  | { readonly state: "running"; readonly pause: number; readonly query: QueryState };

/** The queue as the replicas that work on it see it. A claim is a lease, by the database's clock. */
export interface FillWork {
  /**
   * The next one whose turn it is: by priority, then the project that has the fewest running, then
   * age, or of queries the one that has waited longest for a turn; also one whose holder has not
   * renewed its claim. Each is given to one holder. undefined: nothing is to be done, or the limits
   * leave none.
   */
  claim(
    kind: "prefetch" | "query",
    holder: string,
    limits: ClaimLimits,
    milliseconds: number,
  ): Promise<FillEntry | undefined>;
  /**
   * Renews the claims of a holder and notes how far they are; answers what it may go on with. What is
   * missing in the answer was taken over; what somebody has cancelled says so, also fills that
   * `order` named.
   */
  renew(holder: string, progress: readonly FillProgress[], milliseconds: number): Promise<readonly FillEntry[]>;
  /** Ends a claim; nothing happens when it is the holder's no more. */
  finish(id: FillId, holder: string, outcome: FillOutcome): Promise<void>;
  /**
   * What a process has claimed waits again.
   * @param counted it died over them, and each has used up an attempt; else it ends in an orderly way
   */
  releaseAll(holder: string, counted: boolean): Promise<void>;
  /**
   * Asks the replica that runs a fill of demand to stop it; answers it as a running row, which
   * that replica finishes.
   */
  order(fill: FillFacts, askedBy: string, force: boolean): Promise<FillEntry>;
  /** Notes that a fill of demand has failed: one row per blob, the last failure. */
  note(fill: FillFacts, code: ErrorCode, message: string): Promise<void>;
}

/** What keeps the queue from growing without end. */
export interface FillUpkeep {
  /** What waits past its deadline has failed; answers how many. */
  expire(): Promise<number>;
  /** Forgets what ended so long ago (milliseconds), and of the rest all but the newest. */
  prune(milliseconds: number, most: number): Promise<number>;
}
