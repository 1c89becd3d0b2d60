/** One environment variable that Cistern reads. */
export interface Variable {
  readonly name: string;
  /** What it says when it is not set, as it is shown. */
  readonly fallback: string;
  readonly meaning: string;
  /** Never shown, and may come from the file that `NAME_FILE` names. */
  readonly secret?: true;
  /** Has a meaning in cluster mode alone. */
  readonly cluster?: true;
}

/** Every variable: what the parser takes, `cistern config` shows and the README lists. */
export const VARIABLES = [
  { name: "CISTERN_LISTEN", fallback: "127.0.0.1:8080", meaning: "host:port to listen on" },
  {
    name: "CISTERN_DATA_DIR",
    fallback: "./data",
    meaning: "directory of the catalog, the store and the spool; in cluster mode, of the spool and the hot tier",
  },
  {
    name: "CISTERN_ADMIN_TOKEN",
    fallback: "generated",
    meaning:
      "the admin's token; unset: generated once, kept in the data directory's admin-token file; must be set in cluster mode",
    secret: true,
  },
  {
    name: "CISTERN_CACHE_BYTES",
    fallback: "half of the free disk",
    meaning: "hard limit of what the store keeps; in cluster mode that is the bucket, and the default is 1 TiB",
  },
  { name: "CISTERN_SPOOL_BYTES", fallback: "a fifth of the free disk", meaning: "hard limit of fills in progress" },
  { name: "CISTERN_MAX_UPLOAD_BYTES", fallback: "the spool's limit", meaning: "largest body of an upload" },
  { name: "CISTERN_MAX_CONNECTIONS", fallback: "4096", meaning: "client connections at once" },
  {
    name: "CISTERN_MAX_CONNECTIONS_PER_CLIENT",
    fallback: "256",
    meaning: "connections at once of one client address",
  },
  {
    name: "CISTERN_REQUESTS_PER_SECOND",
    fallback: "500",
    meaning:
      "requests of one token from one address (IPv6: one /64), but for reads of blobs; 20 seconds' worth may come at once",
  },
  {
    name: "CISTERN_READS_PER_SECOND",
    fallback: "none",
    meaning: "reads of blobs of one token from one address (IPv6: one /64); 20 seconds' worth may come at once",
  },
  {
    name: "CISTERN_GUESSES_PER_MINUTE",
    fallback: "60",
    meaning: "tokens that nobody has, different ones, from one address (IPv6: one /64); twice as many may come at once",
  },
  {
    name: "CISTERN_FETCHED_BYTES_PER_DAY",
    fallback: "none",
    meaning: "bytes that one project may have fetched in a day (UTC), unless a quota of its own says otherwise",
  },
  {
    name: "CISTERN_AUDIT_RETENTION",
    fallback: "P400D",
    meaning: "time that entries of the audit are kept, from P1D to P3650D",
  },
  { name: "CISTERN_MODE", fallback: "cache", meaning: "what is done with external blobs: cache, proxy or redirect" },
  {
    name: "CISTERN_REDIRECT_HOSTS",
    fallback: "none",
    meaning: "host, *.suffix or host:port that mode redirect may send a client to",
  },
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
  {
    name: "CISTERN_ADMIN_LISTEN",
    fallback: "none",
    meaning: "host:port of a listener of its own for administration (/v1), which the other one then has not",
  },
  { name: "CISTERN_TLS_CERT", fallback: "none", meaning: "PEM file of the certificate and its chain; set: HTTPS" },
  { name: "CISTERN_TLS_KEY", fallback: "none", meaning: "PEM file of the certificate's private key" },
  {
    name: "CISTERN_TRUSTED_PROXIES",
    fallback: "none",
    meaning: "CIDRs of the proxies that may state a client's address (PROXY protocol v2, X-Forwarded-For)",
  },
  { name: "CISTERN_CONNECT_TIMEOUT", fallback: "PT10S", meaning: "longest wait for a connection to an origin" },
  { name: "CISTERN_HEADERS_TIMEOUT", fallback: "PT30S", meaning: "longest wait for an origin's headers" },
  { name: "CISTERN_STALL_TIMEOUT", fallback: "PT30S", meaning: "longest pause in an origin's body" },
  { name: "CISTERN_CLIENT_IDLE_TIMEOUT", fallback: "PT60S", meaning: "longest time a client may take no byte" },
  { name: "CISTERN_DRAIN_TIME", fallback: "PT30S", meaning: "time that running responses get to end at SIGTERM" },
  {
    name: "CISTERN_DRAIN_DELAY",
    fallback: "PT0S",
    meaning: "time between SIGTERM and the last new connection, for a load balancer to notice",
  },
  {
    name: "CISTERN_SCRUB_INTERVAL",
    fallback: "P30D",
    meaning: "time from one scrub of all content to the next; PT0S: only when asked for",
  },
  {
    name: "CISTERN_SCRUB_RATE",
    fallback: "20MiB",
    meaning: "bytes per second that a scrub reads, of each replica",
  },
  { name: "CISTERN_HOUSEKEEP_INTERVAL", fallback: "PT5M", meaning: "pause between two rounds of housekeeping" },
  { name: "CISTERN_LOG_LEVEL", fallback: "info", meaning: "trace, debug, info, warn, error, fatal or silent" },
  {
    name: "DATABASE_URL",
    fallback: "required",
    meaning: "Postgres, as postgres://user:password@host:5432/database",
    secret: true,
    cluster: true,
  },
  { name: "CISTERN_DATABASE_POOL", fallback: "10", meaning: "connections to Postgres, of each replica", cluster: true },
  {
    name: "CISTERN_DATABASE_CA",
    fallback: "none",
    meaning: "PEM file of the authority that Postgres's certificate must come from",
    cluster: true,
  },
  { name: "CISTERN_S3_ENDPOINT", fallback: "required", meaning: "http or https URL of the S3 server", cluster: true },
  { name: "CISTERN_S3_BUCKET", fallback: "required", meaning: "bucket that the content lies in", cluster: true },
  { name: "CISTERN_S3_ACCESS_KEY", fallback: "required", meaning: "access key", secret: true, cluster: true },
  { name: "CISTERN_S3_SECRET_KEY", fallback: "required", meaning: "secret key", secret: true, cluster: true },
  {
    name: "CISTERN_S3_SESSION_TOKEN",
    fallback: "none",
    meaning: "session token, with temporary credentials",
    secret: true,
    cluster: true,
  },
  { name: "CISTERN_S3_REGION", fallback: "us-east-1", meaning: "region that requests are signed for", cluster: true },
  {
    name: "CISTERN_S3_PATH_STYLE",
    fallback: "true",
    meaning: "true: the bucket is in the path of the URL; false: in its host name",
    cluster: true,
  },
  {
    name: "CISTERN_S3_CA",
    fallback: "none",
    meaning: "PEM file of the authority that the S3 server's certificate must come from",
    cluster: true,
  },
  {
    name: "CISTERN_HOT_BYTES",
    fallback: "half of the free disk",
    meaning: "hard limit of the hot tier: content of the bucket that is kept as local files, too",
    cluster: true,
  },
  {
    name: "CISTERN_REPLICA_URL",
    fallback: "required",
    meaning: "http or https URL under which the other replicas reach this one, like http://10.0.0.5:8080",
    cluster: true,
  },
  {
    name: "CISTERN_CLUSTER_SECRET",
    fallback: "required",
    meaning: "secret that all replicas share, at least 32 characters",
    secret: true,
    cluster: true,
  },
] as const satisfies readonly Variable[];

export type VariableName = (typeof VARIABLES)[number]["name"];

/** What only cluster mode takes. */
export type ClusterVariable = Extract<(typeof VARIABLES)[number], { readonly cluster: true }>["name"];

/** Read by the command line, not by the server. */
export const CLIENT_VARIABLES = ["CISTERN_URL", "CISTERN_TOKEN", "CISTERN_TOKEN_FILE"] as const;

/** Where the command line looks for a server that nothing names: the default of `CISTERN_LISTEN`. */
export const CLIENT_URL = "http://127.0.0.1:8080";

/** Any one of these switches cluster mode on. */
export const CLUSTER_SWITCHES = [
  "DATABASE_URL",
  "CISTERN_S3_ENDPOINT",
  "CISTERN_S3_BUCKET",
  "CISTERN_S3_ACCESS_KEY",
  "CISTERN_S3_SECRET_KEY",
] as const satisfies readonly ClusterVariable[];

export const VARIABLE_NAMES: readonly VariableName[] = VARIABLES.map((variable) => variable.name);
export const SECRET_NAMES: readonly VariableName[] = VARIABLES.filter((variable) => "secret" in variable).map(
  (variable) => variable.name,
);
export const CLUSTER_NAMES: readonly VariableName[] = VARIABLES.filter((variable) => "cluster" in variable).map(
  (variable) => variable.name,
);

export function isVariableName(name: string): name is VariableName {
  return VARIABLE_NAMES.some((known) => known === name);
}
