import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import type { ConnectionOptions } from "node:tls";
import { invalidUrl } from "./invalid-url.ts";

/** How a server is reached, and as whom. */
export interface ServerAddress {
  /** A host and its port, or the socket of the same machine. */
  readonly at: { readonly host: string; readonly port: number } | { readonly path: string };
  readonly database: string;
  readonly user: string;
  readonly password: string;
  readonly applicationName: string | undefined;
  readonly tls: TlsMode;
}

export type TlsMode =
  | { readonly kind: "off" }
  /** `optional`: without TLS when the server has none. */
  | { readonly kind: "on"; readonly optional: boolean; readonly options: ConnectionOptions };

const PARAMETERS: readonly string[] = ["sslmode", "sslrootcert", "application_name"];

/**
 * Reads `postgres://user:password@host:port/database?sslmode=…` as libpq does; a host that is an
 * encoded path (`%2Fvar%2Frun%2Fpostgresql`) is the directory of a socket. `invalid-config` names
 * DATABASE_URL and the rule, never the URL.
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
 *
 * @param caFile PEM of the authorities that may vouch for the server; with it the mode is `verify-full` unless the URL says another
 */
export function parseServerAddress(text: string, caFile: string | undefined): ServerAddress {
  if (!/^postgres(ql)?:\/\//.test(text) || !URL.canParse(text)) {
    throw invalidUrl("must be a URL like postgres://user:password@host:5432/database");
  }
  const url = new URL(text);
  const unknown = [...url.searchParams.keys()].find((name) => !PARAMETERS.includes(name));
  if (unknown !== undefined) throw invalidUrl(`may have the parameters ${PARAMETERS.join(", ")} and no others`);
  const host = decoded(url.hostname).replace(/^\[|\]$/g, "");
  const user = decoded(url.username);
  if (host === "" || user === "") throw invalidUrl("must name a host and a user");
  const port = url.port === "" ? 5432 : Number(url.port);
  const local = host.startsWith("/");
  return {
    at: local ? { path: `${host}/.s.PGSQL.${port}` } : { host, port },
    database: decoded(url.pathname.slice(1)) || user,
    user,
    password: decoded(url.password),
    applicationName: url.searchParams.get("application_name") ?? undefined,
    tls: local ? { kind: "off" } : tlsMode(url.searchParams, host, caFile),
  };
}

/** https://www.postgresql.org/docs/current/libpq-ssl.html#LIBPQ-SSL-SSLMODE-STATEMENTS */
function tlsMode(parameters: URLSearchParams, host: string, caFile: string | undefined): TlsMode {
  const authorities = caFile ?? parameters.get("sslrootcert") ?? undefined;
  const mode = parameters.get("sslmode") ?? (authorities === undefined ? "prefer" : "verify-full");
  const common: ConnectionOptions = { host, ...(isIP(host) === 0 ? { servername: host } : {}) };
  const trusted = authorities === undefined || authorities === "system" ? {} : { ca: readAuthorities(authorities) };
  const unverified = { kind: "on", optional: false, options: { ...common, rejectUnauthorized: false } } as const;
  const anyName = { ...common, ...trusted, checkServerIdentity: () => undefined };
  switch (mode) {
    case "disable":
      return { kind: "off" };
    case "allow":
    case "prefer":
      return { ...unverified, optional: true };
    case "require":
      // As libpq: encrypted, and verified when it is known by whom.
      return authorities === undefined ? unverified : { kind: "on", optional: false, options: anyName };
    case "verify-ca":
      return { kind: "on", optional: false, options: anyName };
    case "verify-full":
      return { kind: "on", optional: false, options: { ...common, ...trusted } };
    default:
      throw invalidUrl("sslmode must be disable, allow, prefer, require, verify-ca or verify-full");
  }
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw invalidUrl("the file of its certificate authority cannot be read (CISTERN_DATABASE_CA)", cause);
  }
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    if (cause instanceof URIError) throw invalidUrl("must have % only in percent-encoded characters");
    throw cause;
  }
}
