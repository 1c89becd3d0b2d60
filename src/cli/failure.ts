/** What a script can tell from the exit code. Documented in the README and in `cistern --help`. */
export const EXIT = {
  ok: 0,
  failed: 1,
  usage: 2,
  notFound: 3,
  denied: 4,
  unreachable: 5,
  mismatch: 6,
  interrupted: 130,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

export interface FailureDetails {
  readonly exit: ExitCode;
  /** Stable name of the failure: the server's own code where it gave one. */
  readonly code: string;
  /** What the user can do about it. */
  readonly hint?: string;
  /** HTTP status, when a server answered. */
  readonly status?: number;
  readonly fields?: readonly { readonly field: string; readonly rule: string }[];
  /** Seconds after which the same request may succeed: the command may try again by itself. */
  readonly retryAfter?: number;
  readonly cause?: unknown;
}

/** A command that did not work, in words for the person who typed it. */
export class Failure extends Error {
  readonly details: FailureDetails;

  constructor(message: string, details: FailureDetails) {
    super(message, details.cause === undefined ? {} : { cause: details.cause });
    this.name = "Failure";
    this.details = details;
  }
}

/** The server is not there, or no more. */
export function isUnreachable(error: unknown): boolean {
  return error instanceof Failure && error.details.exit === EXIT.unreachable;
}

/** The failure as `--json` prints it. */
export function failureAsJson(failure: Failure): unknown {
  const { code, hint, status, fields, exit } = failure.details;
  return {
    error: {
      code,
      message: failure.message,
      ...(hint === undefined ? {} : { hint }),
      ...(status === undefined ? {} : { status }),
      ...(fields === undefined || fields.length === 0 ? {} : { fields }),
      exit,
    },
  };
}

/** The failure as people read it, one line each for what, which fields, and what to do. */
export function failureAsText(failure: Failure): string {
  const told = (failure.details.fields ?? []).map(({ field, rule }) => `${field}: ${rule}`);
  const [first] = told;
  // The message is the first of them, or begins with it and counts the others.
  const isFirst = first !== undefined && failure.message.startsWith(first);
  const fields = told.slice(isFirst ? 1 : 0).map((line) => `  ${line}`);
  const hint = failure.details.hint === undefined ? [] : [`  ${failure.details.hint}`];
  return [`cistern: ${isFirst ? first : failure.message}`, ...fields, ...hint].join("\n");
}
