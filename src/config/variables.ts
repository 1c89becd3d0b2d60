/** One environment variable that Cistern reads. */
export interface Variable {
  readonly name: string;
  /** What it says when it is not set, as it is shown. */
  readonly fallback: string;
  readonly meaning: string;
  /** Never shown, and may come from the file that `NAME_FILE` names. */
  readonly secret?: true;
}

/** Every variable of this version: what the parser takes, `cistern config` shows and the README lists. */
export const VARIABLES = [
  { name: "CISTERN_LISTEN", fallback: "127.0.0.1:8080", meaning: "host:port to listen on" },
  { name: "CISTERN_DATA_DIR", fallback: "./data", meaning: "directory of the catalog, the store and the spool" },
  {
    name: "CISTERN_ADMIN_TOKEN",
    fallback: "generated",
    meaning: "the admin's token; unset: generated once, kept in the data directory's admin-token file",
    secret: true,
  },
  { name: "CISTERN_CACHE_BYTES", fallback: "half of the free disk", meaning: "hard limit of what the store keeps" },
  { name: "CISTERN_SPOOL_BYTES", fallback: "a fifth of the free disk", meaning: "hard limit of fills in progress" },
  { name: "CISTERN_MAX_UPLOAD_BYTES", fallback: "the spool's limit", meaning: "largest body of an upload" },
  { name: "CISTERN_MAX_CONNECTIONS", fallback: "4096", meaning: "client connections at once" },
  { name: "CISTERN_MODE", fallback: "cache", meaning: "what is done with external blobs: cache, proxy or redirect" },
  { name: "CISTERN_REDIRECT_HOSTS", fallback: "none", meaning: "hosts that mode redirect may send a client to" },
  {
    name: "CISTERN_ORIGIN_ALLOW",
    fallback: "none",
    meaning: "CIDRs inside private or loopback ranges that origins may have",
  },
  {
    name: "CISTERN_ORIGIN_HOSTS",
    fallback: "none",
    meaning: "host, *.suffix or host:port that members may name; admins are not bound by it",
  },
  {
    name: "CISTERN_ANONYMOUS_READ",
    fallback: "none",
    meaning: "CIDRs whose clients may read public artifacts without a token",
  },
  { name: "CISTERN_PUBLIC_URL", fallback: "none", meaning: "the URL under which clients reach Cistern; for links" },
  { name: "CISTERN_CONNECT_TIMEOUT", fallback: "PT10S", meaning: "longest wait for a connection to an origin" },
  { name: "CISTERN_HEADERS_TIMEOUT", fallback: "PT30S", meaning: "longest wait for an origin's headers" },
  { name: "CISTERN_STALL_TIMEOUT", fallback: "PT30S", meaning: "longest pause in an origin's body" },
  { name: "CISTERN_CLIENT_IDLE_TIMEOUT", fallback: "PT60S", meaning: "longest time a client may take no byte" },
  { name: "CISTERN_DRAIN_TIME", fallback: "PT30S", meaning: "time that running responses get to end at SIGTERM" },
  { name: "CISTERN_HOUSEKEEP_INTERVAL", fallback: "PT5M", meaning: "pause between two rounds of housekeeping" },
  { name: "CISTERN_LOG_LEVEL", fallback: "info", meaning: "trace, debug, info, warn, error, fatal or silent" },
] as const satisfies readonly Variable[];

export type VariableName = (typeof VARIABLES)[number]["name"];

/** Read by the command line, not by the server. */
export const CLIENT_VARIABLES = ["CISTERN_URL", "CISTERN_TOKEN", "CISTERN_TOKEN_FILE"] as const;

/** Names that the design reserves: setting one must not pass for having an effect. */
export const CLUSTER_VARIABLES = [
  "DATABASE_URL",
  "CISTERN_S3_ENDPOINT",
  "CISTERN_S3_BUCKET",
  "CISTERN_S3_ACCESS_KEY",
  "CISTERN_S3_SECRET_KEY",
  "CISTERN_S3_REGION",
  "CISTERN_REPLICA_URL",
  "CISTERN_CLUSTER_SECRET",
] as const;

export const VARIABLE_NAMES: readonly VariableName[] = VARIABLES.map((variable) => variable.name);
export const SECRET_NAMES: readonly VariableName[] = VARIABLES.filter((variable) => "secret" in variable).map(
  (variable) => variable.name,
);

export function isVariableName(name: string): name is VariableName {
  return VARIABLE_NAMES.some((known) => known === name);
}
