import { CisternError } from "../../domain/errors.ts";

/** What is wrong with the database that the configuration names. */
export function invalidUrl(rule: string, cause?: unknown): CisternError {
  const field = "DATABASE_URL";
  return new CisternError("invalid-config", `The configuration is not valid:\n  ${field}: ${rule}`, {
    fields: [{ field, rule }],
    cause,
  });
}
