import postgres from "postgres";
import { type CisternError, isCisternError } from "../../domain/errors.ts";
import { translate } from "../translate-error.ts";
import { Refusal } from "./dial.ts";
import { invalidUrl } from "./invalid-url.ts";
import type { ServerAddress } from "./server-address.ts";

/** https://www.postgresql.org/docs/current/errcodes-appendix.html */
const RULES: Readonly<Record<string, string>> = {
  "28P01": "the server does not accept its password",
  "28000": "the server does not let this user in from here: see its pg_hba.conf (it may want TLS: sslmode=require)",
  "3D000": "the server has no such database: create it",
  "42501": "its user may not make the schema: it must own the database, or have CREATE on it and on schema public",
  "25006": "the server takes no writes: name the primary",
};

/** What can only be cured by another configuration; undefined: it may pass by itself. */
export function lastingFailure(error: unknown): CisternError | undefined {
  if (isCisternError(error, "invalid-config")) return error;
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    if (at instanceof Refusal) return invalidUrl(at.message, at.cause);
    const rule = at instanceof postgres.PostgresError ? RULES[at.code] : undefined;
    if (rule !== undefined) return invalidUrl(rule, translate(at).cause);
  }
  return undefined;
}

/** Nothing served within the time that a start may wait. */
export function notReached({ at }: ServerAddress, milliseconds: number, error: unknown): CisternError {
  const { cause } = translate(error);
  const place = "path" in at ? at.path : `${at.host}:${at.port}`;
  const reason = cause instanceof Error ? ` (${cause.message})` : "";
  return invalidUrl(`no Postgres serves at ${place} within ${Math.round(milliseconds / 1000)} s${reason}`, cause);
}
