import { CisternError } from "../domain/errors.ts";

/** The system's code of a failed call (`ENOENT`, `ENOSPC`, …); undefined when it is not such a failure. */
export function errnoOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

/**
 * Translates a failed file call: no room left is `spool-full`, anything else is doubt and therefore
 * `store-unavailable` (I7). What is a CisternError already stays as it is.
 */
export function storeFailure(error: unknown): CisternError {
  if (error instanceof CisternError) return error;
  const errno = errnoOf(error);
  if (errno === "ENOSPC" || errno === "EDQUOT" || errno === "EFBIG") {
    return new CisternError("spool-full", "there is no disk space left", { cause: error });
  }
  return new CisternError("store-unavailable", "the disk does not do what it should", { cause: error });
}
