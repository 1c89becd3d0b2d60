import postgres from "postgres";
import { CisternError } from "../domain/errors.ts";

const UNIQUE_VIOLATION = "23505";
/** SQLSTATE classes that the values of a request cause: data exception, check, too long for an index. */
const VALUE_AT_FAULT = /^(22...|23514|54000)$/;
const TRY_AGAIN: ReadonlySet<string> = new Set(["40001", "40P01"]);

/** True for a transaction that lost against another one and may be run again as it is. */
export function mayRunAgain(error: unknown): boolean {
  const found = driverError(error);
  return found !== undefined && TRY_AGAIN.has(found.code);
}

/**
 * What the driver throws, in the words of the domain. No SQL, parameter or row goes along, not
 * even as the cause: parameters are URLs with their secrets.
 */
export function translate(error: unknown): CisternError {
  if (error instanceof CisternError) return error;
  const found = driverError(error);
  if (found === undefined) return unavailable(error instanceof Error ? nameOf(error) : "unknown");
  const cause = new Error(`SQLSTATE ${found.code} ${found.constraint_name ?? found.routine ?? ""}`.trimEnd());
  if (found.code === UNIQUE_VIOLATION)
    return new CisternError("conflict", conflictText(found.constraint_name), { cause });
  if (VALUE_AT_FAULT.test(found.code)) {
    return new CisternError("invalid-input", "the catalog cannot hold one of the values", { cause });
  }
  return unavailable(cause.message);
}

export function unavailable(reason: string): CisternError {
  return new CisternError("catalog-unavailable", "the catalog is not available", {
    cause: new Error(reason),
    retryAfter: 5,
  });
}

function conflictText(constraint: string | undefined): string {
  if (constraint === "artifacts_owner_type_name_version") {
    return "the owner has an artifact of this type, name and version already";
  }
  if (constraint === "artifacts_public_type_name_version") {
    return "there is a public artifact of this type, name and version already";
  }
  return "it exists already";
}

/** The server's answer inside what drizzle wraps around it. */
function driverError(error: unknown): postgres.PostgresError | undefined {
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof postgres.PostgresError) return at;
  }
  return undefined;
}

/** The innermost error's code or name: messages of the layers above carry the query. */
function nameOf(error: Error): string {
  let at = error;
  while (at.cause instanceof Error) at = at.cause;
  if (at instanceof CisternError) return at.cause instanceof Error ? at.cause.message : at.message;
  return "code" in at && typeof at.code === "string" ? at.code : at.name;
}
