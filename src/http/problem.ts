import { CisternError, type ErrorCode, type FieldProblem } from "../domain/errors.ts";

interface Rule {
  readonly status: number;
  /** The type that OpenStack's clients know. */
  readonly type: string;
}

/** The one table from error codes to HTTP. */
const RULES: Readonly<Record<ErrorCode, Rule>> = {
  "invalid-input": { status: 400, type: "BadRequest" },
  "unknown-field": { status: 422, type: "BadRequest" },
  "unsupported-media-type": { status: 415, type: "UnsupportedMediaType" },
  unauthenticated: { status: 401, type: "Unauthorized" },
  forbidden: { status: 403, type: "Forbidden" },
  "artifact-not-found": { status: 404, type: "ArtifactNotFound" },
  "blob-not-found": { status: 404, type: "BlobNotFound" },
  "token-not-found": { status: 404, type: "NotFound" },
  "type-not-found": { status: 404, type: "TypeNotFound" },
  "path-not-found": { status: 404, type: "NotFound" },
  "content-not-found": { status: 404, type: "NotFound" },
  "fill-not-found": { status: 404, type: "NotFound" },
  "job-not-found": { status: 404, type: "NotFound" },
  "version-not-found": { status: 404, type: "NotFound" },
  conflict: { status: 409, type: "Conflict" },
  "content-is-internal": { status: 409, type: "Conflict" },
  "content-is-irreplaceable": { status: 409, type: "Conflict" },
  "content-is-pinned": { status: 409, type: "Conflict" },
  "pin-limit": { status: 409, type: "Conflict" },
  "idempotency-conflict": { status: 422, type: "BadRequest" },
  "precondition-required": { status: 428, type: "PreconditionRequired" },
  "precondition-failed": { status: 412, type: "PreconditionFailed" },
  "range-not-satisfiable": { status: 416, type: "RequestRangeNotSatisfiable" },
  "method-not-allowed": { status: 405, type: "MethodNotAllowed" },
  "payload-too-large": { status: 413, type: "RequestEntityTooLarge" },
  "request-timeout": { status: 408, type: "RequestTimeout" },
  "policy-denied": { status: 403, type: "Forbidden" },
  "content-blocked": { status: 403, type: "Forbidden" },
  "egress-quota": { status: 429, type: "TooManyRequests" },
  "too-many-requests": { status: 429, type: "TooManyRequests" },
  "address-not-allowed": { status: 403, type: "Forbidden" },
  "host-not-allowed": { status: 403, type: "Forbidden" },
  "origin-unreachable": { status: 502, type: "BadGateway" },
  "origin-timeout": { status: 504, type: "GatewayTimeout" },
  "origin-refused": { status: 502, type: "BadGateway" },
  "origin-failed": { status: 502, type: "BadGateway" },
  "origin-broken": { status: 502, type: "BadGateway" },
  "origin-encoded": { status: 502, type: "BadGateway" },
  "origin-unframed": { status: 502, type: "BadGateway" },
  "origin-loop": { status: 508, type: "LoopDetected" },
  "origin-backing-off": { status: 503, type: "ServiceUnavailable" },
  "peer-unreachable": { status: 503, type: "ServiceUnavailable" },
  "peer-denied": { status: 503, type: "ServiceUnavailable" },
  "digest-mismatch": { status: 502, type: "BadGateway" },
  "size-mismatch": { status: 502, type: "BadGateway" },
  "content-changed": { status: 502, type: "BadGateway" },
  "spool-full": { status: 507, type: "InsufficientStorage" },
  "no-space": { status: 507, type: "InsufficientStorage" },
  "too-busy": { status: 503, type: "ServiceUnavailable" },
  "too-many-connections": { status: 429, type: "TooManyRequests" },
  "fill-cancelled": { status: 503, type: "ServiceUnavailable" },
  "shutting-down": { status: 503, type: "ServiceUnavailable" },
  "store-unavailable": { status: 503, type: "ServiceUnavailable" },
  "audit-unwritten": { status: 503, type: "ServiceUnavailable" },
  "catalog-unavailable": { status: 503, type: "ServiceUnavailable" },
  "data-dir-locked": { status: 500, type: "InternalServerError" },
  "invalid-config": { status: 500, type: "InternalServerError" },
  internal: { status: 500, type: "InternalServerError" },
};

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  408: "Request Timeout",
  409: "Conflict",
  412: "Precondition Failed",
  413: "Content Too Large",
  415: "Unsupported Media Type",
  416: "Range Not Satisfiable",
  422: "Unprocessable Content",
  428: "Precondition Required",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
  504: "Gateway Timeout",
  507: "Insufficient Storage",
  508: "Loop Detected",
};

/** The status of an error's answer. */
export function statusOf(code: ErrorCode): number {
  return RULES[code].status;
}

/** The reason phrase of a status that an error has. */
export function titleOf(status: number): string {
  return TITLES[status] ?? "Error";
}

/** When nobody knows better. */
const RETRY_AFTER_S = 5;

/** An error as the edge tells it: nothing in it is secret. */
export interface Problem {
  readonly status: number;
  readonly title: string;
  readonly code: ErrorCode;
  /** OpenStack's name. */
  readonly type: string;
  readonly detail: string;
  readonly errors: readonly FieldProblem[];
  /** Host (and port) of the origin that failed, and its HTTP status. */
  readonly origin: string | undefined;
  readonly originStatus: number | undefined;
  /** Seconds. */
  readonly retryAfter: number | undefined;
  /** Bytes of the content, of a range that lies outside. */
  readonly size: number | undefined;
}

/** Anything that was thrown, as a problem. What is not Cistern's own says nothing of the inside. */
export function problemOf(error: unknown): Problem {
  const known = error instanceof CisternError ? error : new CisternError("internal", "");
  const { status, type } = RULES[known.code];
  const { code, origin, originStatus, size } = known;
  const retryAfter = known.retryAfter ?? (status === 503 ? RETRY_AFTER_S : undefined);
  const detail = status === 500 ? "an unexpected error happened here: the server's log tells more" : known.message;
  const title = titleOf(status);
  return { status, title, code, type, detail, errors: known.fields, origin, originStatus, retryAfter, size };
}

/** True when an operator has to know: the fault is here, not with the caller or an origin. */
export function isFault(error: unknown): boolean {
  const { status, code } = problemOf(error);
  return status === 500 || code === "catalog-unavailable" || code === "store-unavailable" || code === "spool-full";
}
