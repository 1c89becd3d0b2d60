import { errors } from "undici";
import { CisternError } from "../domain/errors.ts";

/** How far a request had come when it failed. */
export type Phase = "connect" | "headers" | "body";

/**
 * What the HTTP client threw, in Cistern's words. All that fails before a request could be sent
 * (DNS, TCP, TLS, time-out) is one code with one message, so that what a caller is told does not
 * make a port scanner (I8); the cause is for the log.
 */
export function originFailure(error: unknown, phase: Phase): CisternError {
  const own = cisternErrorIn(error);
  if (own !== undefined) return own;
  if (phase === "connect") return unreachable(error);
  if (error instanceof errors.HeadersTimeoutError) {
    return new CisternError("origin-timeout", "the origin did not answer in time", { cause: error });
  }
  if (error instanceof errors.BodyTimeoutError) {
    return new CisternError("origin-timeout", "the origin stopped sending", { cause: error });
  }
  const message = phase === "body" ? "the origin's answer broke off" : "the origin gave no valid answer";
  return new CisternError("origin-broken", message, { cause: error });
}

/** The one thing that is told of a connection that could not be made. */
export function unreachable(cause: unknown): CisternError {
  return new CisternError("origin-unreachable", "the origin cannot be reached", { cause });
}

/** The same error, naming the host that the caller gave: never one that a redirect led to. */
export function atOrigin(error: CisternError, origin: string): CisternError {
  return new CisternError(error.code, error.message, {
    cause: error.cause ?? error,
    origin,
    ...(error.retryAfter === undefined ? {} : { retryAfter: error.retryAfter }),
    ...(error.originStatus === undefined ? {} : { originStatus: error.originStatus }),
  });
}

function cisternErrorIn(error: unknown): CisternError | undefined {
  for (let at = error, depth = 0; at instanceof Error && depth < 5; at = at.cause, depth++) {
    if (at instanceof CisternError) return at;
  }
  return undefined;
}
