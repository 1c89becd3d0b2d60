import { formatDuration } from "../domain/duration.ts";
import { formatBytes } from "./bytes.ts";
import type { ClusterConfig, CommonConfig, Config } from "./config.ts";
import type { SettingSource } from "./env.ts";
import type { Listen } from "./network.ts";
import { maskDatabaseUrl } from "./urls.ts";
import type { ClusterVariable, VariableName } from "./variables.ts";
import { VARIABLES } from "./variables.ts";

/** One setting as it is in force, fit to be shown: a secret is masked. */
export interface ShownSetting {
  readonly variable: VariableName;
  readonly value: string | number | boolean | readonly string[] | null;
  /** The value for people. */
  readonly text: string;
  readonly source: SettingSource;
  readonly meaning: string;
}

type Shown = Pick<ShownSetting, "value" | "text">;

const MASKED = text("***");

/**
 * What is in force and where from, in the order of the table of variables. Embedded, the variables
 * of the cluster are left out: none of them can be set.
 */
export function describeConfig(config: Config): readonly ShownSetting[] {
  const values: Partial<Record<VariableName, Shown>> = {
    ...commonValues(config),
    CISTERN_ADMIN_TOKEN: config.adminToken === undefined ? text("(generated)") : MASKED,
    ...(config.kind === "cluster" ? clusterValues(config) : {}),
  };
  return VARIABLES.flatMap(({ name, meaning }) => {
    const shown = values[name];
    return shown === undefined ? [] : [{ variable: name, ...shown, source: config.sources[name], meaning }];
  });
}

type CommonVariable = Exclude<VariableName, ClusterVariable | "CISTERN_ADMIN_TOKEN">;

function commonValues(config: CommonConfig): Record<CommonVariable, Shown> {
  const { limits, origin, policy, http } = config;
  return {
    CISTERN_LISTEN: text(place(config.listen)),
    CISTERN_DATA_DIR: text(config.dataDir),
    CISTERN_CACHE_BYTES: bytes(limits.cacheBytes),
    CISTERN_SPOOL_BYTES: bytes(limits.spoolBytes),
    CISTERN_MAX_UPLOAD_BYTES: bytes(limits.maxUploadBytes),
    CISTERN_MAX_CONNECTIONS: count(limits.maxConnections),
    CISTERN_MAX_CONNECTIONS_PER_CLIENT: count(limits.maxConnectionsPerClient),
    CISTERN_REQUESTS_PER_SECOND: count(limits.requestsPerSecond),
    CISTERN_READS_PER_SECOND: unlessEndless(limits.readsPerSecond, count),
    CISTERN_GUESSES_PER_MINUTE: count(limits.guessesPerMinute),
    CISTERN_FETCHED_BYTES_PER_DAY: unlessEndless(limits.fetchedBytesPerDay, bytes),
    CISTERN_AUDIT_RETENTION: text(formatDuration(config.jobs.auditRetentionMs)),
    CISTERN_MODE: text(policy.mode),
    CISTERN_REDIRECT_HOSTS: list(policy.redirectHosts),
    CISTERN_ORIGIN_ALLOW: list(origin.allow),
    CISTERN_ORIGIN_HOSTS: list(origin.memberHosts),
    CISTERN_ANONYMOUS_READ: list(http.anonymousRead),
    CISTERN_PUBLIC_URL: optional(http.publicUrl),
    CISTERN_ADMIN_LISTEN: optional(http.adminListen && place(http.adminListen)),
    CISTERN_TLS_CERT: optional(http.tls?.certFile),
    CISTERN_TLS_KEY: optional(http.tls?.keyFile),
    CISTERN_TRUSTED_PROXIES: list(http.trustedProxies),
    CISTERN_CONNECT_TIMEOUT: text(formatDuration(origin.timeouts.connectMs)),
    CISTERN_HEADERS_TIMEOUT: text(formatDuration(origin.timeouts.headersMs)),
    CISTERN_STALL_TIMEOUT: text(formatDuration(origin.timeouts.stallMs)),
    CISTERN_CLIENT_IDLE_TIMEOUT: text(formatDuration(http.idleMs)),
    CISTERN_DRAIN_TIME: text(formatDuration(http.drainMs)),
    CISTERN_DRAIN_DELAY: text(formatDuration(http.drainDelayMs)),
    CISTERN_SCRUB_INTERVAL: text(formatDuration(config.jobs.scrubEveryMs)),
    CISTERN_SCRUB_RATE: text(formatBytes(config.jobs.scrubRate)),
    CISTERN_HOUSEKEEP_INTERVAL: text(formatDuration(config.jobs.housekeepMs)),
    CISTERN_LOG_LEVEL: text(config.logLevel),
  };
}

function unlessEndless(limit: number, shown: (limit: number) => Shown): Shown {
  return Number.isFinite(limit) ? shown(limit) : optional(undefined);
}

function clusterValues({ database, s3, limits, replica }: ClusterConfig): Record<ClusterVariable, Shown> {
  return {
    DATABASE_URL: text(maskDatabaseUrl(database.url)),
    CISTERN_DATABASE_POOL: count(database.poolSize),
    CISTERN_DATABASE_CA: optional(database.caFile),
    CISTERN_S3_ENDPOINT: text(s3.endpoint),
    CISTERN_S3_BUCKET: text(s3.bucket),
    CISTERN_S3_ACCESS_KEY: MASKED,
    CISTERN_S3_SECRET_KEY: MASKED,
    CISTERN_S3_SESSION_TOKEN: s3.sessionToken === undefined ? optional(undefined) : MASKED,
    CISTERN_S3_REGION: text(s3.region),
    CISTERN_S3_PATH_STYLE: { value: s3.pathStyle, text: String(s3.pathStyle) },
    CISTERN_S3_CA: optional(s3.caFile),
    CISTERN_HOT_BYTES: bytes(limits.hotBytes),
    CISTERN_REPLICA_URL: text(replica.url),
    CISTERN_CLUSTER_SECRET: MASKED,
  };
}

function text(value: string): Shown {
  return { value, text: value };
}

function optional(value: string | undefined): Shown {
  return value === undefined ? { value: null, text: "-" } : text(value);
}

function place({ host, port }: Listen): string {
  return `${host.includes(":") ? `[${host}]` : host}:${port}`;
}

function count(value: number): Shown {
  return { value, text: String(value) };
}

function bytes(value: number): Shown {
  return { value, text: formatBytes(value) };
}

function list(value: readonly string[]): Shown {
  return { value, text: value.length === 0 ? "-" : value.join(", ") };
}
