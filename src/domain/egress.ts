import type { ErrorCode } from "./errors.ts";

/** On whose account a request leaves: what the audit and the quotas go by. */
export interface Behalf {
  /** The project that owns the record. */
  readonly project: string;
  /** The blob that it is for: `artifacts/ID/image`, `artifacts/ID/mirrors/KEY`. */
  readonly blob: string;
  /** The fill, whose end tells what became of the bytes; undefined: it is for no fill. */
  readonly fill: string | undefined;
  /** Recorded bytes of the content. */
  readonly size: number | undefined;
}

/** One request as it left: of one that is redirected there are several. */
export interface Hop {
  readonly method: "GET" | "HEAD";
  /** Secrets included: never to be shown or logged. */
  readonly url: string;
  /** What was connected to; undefined: no connection came about. */
  readonly address: string | undefined;
  /** Of the answer; undefined: none came. */
  readonly status: number | undefined;
  /** Why none came. */
  readonly code: ErrorCode | undefined;
}

/** A request that left, when all is known of it. */
export interface EgressRecord extends Omit<Hop, "url"> {
  readonly project: string;
  readonly blob: string;
  /** Masked. */
  readonly url: string;
  /** Of the body that came here. */
  readonly bytes: number;
  /** `redirected`, `passed` or `failed` (as the fill it was for), `complete`, `cut`, `size`, or the code of what went wrong. */
  readonly outcome: string;
  /** Of the content, when the fill has passed. */
  readonly sha256: string | undefined;
}

/** Told of every request that left. */
export interface EgressLog {
  /** Never waits, never fails. */
  left(record: EgressRecord): void;
}

/** What projects may fetch (429 `egress-quota`), and what they have fetched. */
export interface EgressMeter {
  /**
   * Admits a fill, once: `egress-quota` when its project has fetched what it may today, or `bytes`, as
   * far as they are known, would exceed it. They count from now on. `catalog-unavailable`.
   */
  admit(behalf: Behalf, bytes: number | undefined): Promise<void>;
  /**
   * Bytes that came. Never waits. `egress-quota` when no length was charged for, and the project has
   * fetched by now what it may: the rest is not to be fetched.
   */
  count(behalf: Behalf, bytes: number): void;
  /** The fill is over: what it announced and did not fetch counts no more. */
  over(fill: string): void;
}
