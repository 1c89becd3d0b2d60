/** One broken rule of one input field, as it is told to the caller. */
export interface FieldProblem {
  /** Dotted path of the field (`location.sha256`, `query.limit`, `header.range`). */
  readonly field: string;
  /** The rule in words: "must be 64 hexadecimal digits". */
  readonly rule: string;
}

/**
 * Every code that Cistern's own errors carry. Stable: clients and dashboards key on them.
 * `http/problem.ts` is the one place that maps them to HTTP.
 */
export type ErrorCode =
  // the caller's input
  | "invalid-input"
  | "unknown-field"
  | "unsupported-media-type"
  | "unauthenticated"
  | "forbidden"
  | "artifact-not-found"
  | "blob-not-found"
  | "token-not-found"
  | "type-not-found"
  | "path-not-found"
  | "content-not-found"
  | "fill-not-found"
  | "job-not-found"
  | "version-not-found"
  | "conflict"
  | "content-is-internal"
  | "content-is-irreplaceable"
  | "content-is-pinned"
  | "pin-limit"
  | "idempotency-conflict"
  | "precondition-required"
  | "precondition-failed"
  | "range-not-satisfiable"
  | "method-not-allowed"
  | "payload-too-large"
  | "request-timeout"
  // what an operator has decided
  | "policy-denied"
  | "content-blocked"
  | "egress-quota"
  | "too-many-requests"
  // what the way out says
  | "address-not-allowed"
  | "host-not-allowed"
  | "origin-unreachable"
  | "origin-timeout"
  | "origin-refused"
  | "origin-failed"
  | "origin-broken"
  | "origin-encoded"
  | "origin-unframed"
  | "origin-loop"
  | "origin-backing-off"
  // what other replicas say
  | "peer-unreachable"
  | "peer-denied"
  // what verification says
  | "digest-mismatch"
  | "size-mismatch"
  | "content-changed"
  // resources
  | "spool-full"
  | "no-space"
  | "too-busy"
  | "too-many-connections"
  | "fill-cancelled"
  | "shutting-down"
  | "store-unavailable"
  | "catalog-unavailable"
  | "audit-unwritten"
  | "data-dir-locked"
  | "invalid-config"
  | "internal";

export interface ErrorDetails {
  readonly cause?: unknown;
  /** The broken input rules, when the caller's input is at fault. */
  readonly fields?: readonly FieldProblem[];
  /** Seconds after which trying again may help. */
  readonly retryAfter?: number;
  /** The origin's host (and port), never a URL with its secrets. */
  readonly origin?: string;
  /** The origin's HTTP status, when it answered. */
  readonly originStatus?: number;
  /** Bytes of the content, for a range that lies outside of it (RFC 9110 §15.5.17). */
  readonly size?: number;
}

/**
 * The one family of errors. The message is safe to show to a caller: it holds no path, no
 * credential and no text of the origin; those belong into `cause`, which only the log sees.
 */
export class CisternError extends Error {
  readonly code: ErrorCode;
  readonly fields: readonly FieldProblem[];
  readonly retryAfter: number | undefined;
  readonly origin: string | undefined;
  readonly originStatus: number | undefined;
  readonly size: number | undefined;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = "CisternError";
    this.code = code;
    this.fields = details.fields ?? [];
    this.retryAfter = details.retryAfter;
    this.origin = details.origin;
    this.originStatus = details.originStatus;
    this.size = details.size;
  }
}

/** An `invalid-input` error about one field. */
export function invalid(field: string, rule: string): CisternError {
  return new CisternError("invalid-input", `${field}: ${rule}`, { fields: [{ field, rule }] });
}

export function isCisternError(error: unknown, code?: ErrorCode): error is CisternError {
  return error instanceof CisternError && (code === undefined || error.code === code);
}
