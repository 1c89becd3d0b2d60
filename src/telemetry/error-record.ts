import { inspect } from "node:util";
import { isCisternError } from "../domain/errors.ts";
import { maskUrls } from "../domain/mask-urls.ts";

const MAX_CAUSES = 5;
const MAX_TEXT = 8192;

/** An error as it goes to the log, and nowhere else. */
export interface ErrorRecord {
  readonly name: string;
  readonly message: string;
  readonly code?: string;
  readonly stack?: string;
  readonly origin?: string;
  readonly originStatus?: number;
  readonly cause?: ErrorRecord;
  /** The members of an AggregateError: a connection that failed on every address. */
  readonly errors?: readonly ErrorRecord[];
}

/** Anything that was thrown, as a record. URLs in its texts lose their secrets. */
export function describeError(thrown: unknown): ErrorRecord {
  return describe(thrown, MAX_CAUSES);
}

function describe(thrown: unknown, depth: number): ErrorRecord {
  if (!(thrown instanceof Error)) return { name: "NotAnError", message: clean(textOf(thrown)) };
  const code = "code" in thrown && thrown.code !== undefined ? { code: textOf(thrown.code) } : {};
  const stack = thrown.stack === undefined ? {} : { stack: clean(thrown.stack) };
  const origin = isCisternError(thrown) && thrown.origin !== undefined ? { origin: thrown.origin } : {};
  const status =
    isCisternError(thrown) && thrown.originStatus !== undefined ? { originStatus: thrown.originStatus } : {};
  const cause = thrown.cause === undefined || depth === 0 ? {} : { cause: describe(thrown.cause, depth - 1) };
  const errors =
    thrown instanceof AggregateError && depth > 0
      ? { errors: thrown.errors.slice(0, MAX_CAUSES).map((member: unknown) => describe(member, depth - 1)) }
      : {};
  return {
    name: thrown.name,
    message: clean(textOf(thrown.message)),
    ...code,
    ...origin,
    ...status,
    ...stack,
    ...cause,
    ...errors,
  };
}

/** Anything as text; not by `String`, which throws for objects that cannot be made a primitive. */
function textOf(value: unknown): string {
  return typeof value === "string" ? value : inspect(value, { depth: 1, customInspect: false });
}

function clean(text: string): string {
  return maskUrls(text.slice(0, MAX_TEXT));
}
