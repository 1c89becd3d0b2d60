import type { ArtifactId, Visibility } from "./artifact.ts";
import type { BlobRef } from "./blob.ts";

export type FillId = string & { readonly __brand: "FillId" };

export const FILL_STATES = ["queued", "running", "done", "failed", "cancelled"] as const;
export type FillState = (typeof FILL_STATES)[number];

/**
 * `prefetch`: of one blob, because somebody or a rule asked for it before anybody reads it. `query`:
 * makes prefetches of all blobs that it finds. `demand`: somebody reads.
 */
export const FILL_KINDS = ["prefetch", "query", "demand"] as const;
export type FillKind = (typeof FILL_KINDS)[number];

/** Who asked: a caller, the registration of a record (by a rule), or a rule's window. */
export const FILL_REASONS = ["request", "register", "window"] as const;
export type FillReason = (typeof FILL_REASONS)[number];

/** Priorities go from 0 to 9, higher first. */
export const PRIORITIES = { low: 2, normal: 5, high: 8 } as const;
export const MAX_PRIORITY = 9;

/** The artifacts that a query finds; active ones only. */
export interface FillQuery {
  readonly type?: string;
  readonly name?: string;
  readonly owner?: string;
  readonly visibility?: Visibility;
  readonly tag?: string;
}

/** How far a query has come. */
export interface QueryState {
  readonly query: FillQuery;
  /** The last artifact that it has looked at; undefined: it has not begun. */
  readonly marker?: ArtifactId | undefined;
  /** Every artifact has been looked at: what is left is the prefetches. */
  readonly searched: boolean;
  /** Artifacts that match, as counted when it began. */
  readonly artifacts: number;
}

/** Prefetches of a query, by what has become of them. */
export interface Tally {
  readonly queued: number;
  readonly running: number;
  readonly done: number;
  readonly failed: number;
  readonly cancelled: number;
}

/** What both a row of the queue and a fill that a replica tells of have. */
export interface FillFacts {
  readonly id: FillId;
  /** undefined: of a query. */
  readonly ref: BlobRef | undefined;
  /** Of the artifact. */
  readonly type: string;
  readonly name: string;
  /** URL, masked; of a query: empty. */
  readonly source: string;
  /** Host (and port); of a query: empty. */
  readonly origin: string;
  /** Who owns the artifact; of a query: who asked for it. */
  readonly project: string;
  /** Bytes so far. */
  readonly bytes: number;
  /** Bytes of the whole; undefined: nobody knows. */
  readonly total: number | undefined;
  /** Bytes per second. */
  readonly rate: number;
  /** Readers. */
  readonly followers: number;
  /** The replica that runs it, or did last. */
  readonly holder: string | undefined;
  readonly startedAt: Date | undefined;
}

/** A row of the queue: what is to be fetched, is being fetched, or was. */
export interface FillEntry extends FillFacts {
  readonly kind: FillKind;
  readonly state: FillState;
  readonly priority: number;
  /** The query that it is a part of. */
  readonly parent: FillId | undefined;
  /** The token; a rule's: empty. */
  readonly askedBy: string;
  readonly via: FillReason;
  readonly query: QueryState | undefined;
  readonly notBefore: Date | undefined;
  /** It has failed when it has not ended by then. */
  readonly deadline: Date | undefined;
  /** Milliseconds for which it is pinned once it is here. */
  readonly pinFor: number | undefined;
  /** When it is its turn: `notBefore`, or after a pause. */
  readonly readyAt: Date;
  /** How often it was begun. */
  readonly attempts: number;
  /** Somebody has cancelled it; its replica will have heard of it soon. */
  readonly cancel: "asked" | "forced" | undefined;
  readonly error: { readonly code: string; readonly message: string } | undefined;
  readonly createdAt: Date;
  readonly endedAt: Date | undefined;
}

/** What is asked for. */
export interface NewFill {
  readonly id: FillId;
  readonly kind: "prefetch" | "query";
  readonly priority: number;
  readonly parent?: FillId | undefined;
  readonly ref: BlobRef | undefined;
  readonly type: string;
  readonly name: string;
  readonly source: string;
  readonly origin: string;
  readonly project: string;
  readonly askedBy: string;
  readonly via: FillReason;
  readonly query?: QueryState | undefined;
  readonly notBefore?: Date | undefined;
  readonly deadline?: Date | undefined;
  /** Milliseconds. */
  readonly pinFor?: number | undefined;
}
