import { resolve } from "node:path";
import type { FieldProblem } from "../domain/errors.ts";
import { CisternError } from "../domain/errors.ts";
import type { Policy } from "../domain/policy.ts";
import type { Disk } from "./disk.ts";
import { diskOf, sharesOf } from "./disk.ts";
import type { Environment, RawEnvironment, SettingSource } from "./env.ts";
import { readEnvironment } from "./env.ts";
import type { Listen } from "./network.ts";
import type { ClusterSettings, PlaceSettings, Settings } from "./settings.ts";
import { clusterSettings, embeddedSettings } from "./settings.ts";
import type { VariableName } from "./variables.ts";
import { CLUSTER_NAMES, CLUSTER_SWITCHES, VARIABLE_NAMES } from "./variables.ts";

/** The file of the data directory that holds the generated admin token, mode 0600. */
export const ADMIN_TOKEN_FILE = "admin-token";

const TIB = 2 ** 40;
const SCRUB_RATE = 20 * 2 ** 20;

export type LogLevel = Settings["CISTERN_LOG_LEVEL"];

/** Limits of one process. */
export interface Limits {
  /** Of what the store keeps: the directory, or the bucket that all replicas share. */
  readonly cacheBytes: number;
  readonly spoolBytes: number;
  readonly maxUploadBytes: number;
  readonly maxConnections: number;
  /** Of one client address. */
  readonly maxConnectionsPerClient: number;
  /** Of one token from one address. Infinity: without limit. */
  readonly requestsPerSecond: number;
  readonly readsPerSecond: number;
  /** Different tokens that nobody has, from one address. */
  readonly guessesPerMinute: number;
  /** Of a project without a quota of its own. Infinity: without limit. */
  readonly fetchedBytesPerDay: number;
}

/** What both modes have. Sizes in bytes, times in milliseconds, paths absolute. */
export interface CommonConfig {
  readonly listen: Listen;
  readonly dataDir: string;
  readonly limits: Limits;
  readonly origin: {
    /** CIDRs inside private or loopback ranges that origins may have. */
    readonly allow: readonly string[];
    /** Host patterns that members may name. */
    readonly memberHosts: readonly string[];
    readonly timeouts: { readonly connectMs: number; readonly headersMs: number; readonly stallMs: number };
  };
  readonly policy: Policy;
  readonly http: {
    /** CIDRs whose clients may read public artifacts without a token. */
    readonly anonymousRead: readonly string[];
    readonly idleMs: number;
    readonly drainMs: number;
    /** Time between SIGTERM and the end of taking new connections. */
    readonly drainDelayMs: number;
    /** Without a slash at the end. */
    readonly publicUrl: string | undefined;
    /** A listener of its own for administration. */
    readonly adminListen: Listen | undefined;
    /** PEM files, readable and fitting when they were checked. */
    readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
    /** CIDRs of those who may state a client's address. */
    readonly trustedProxies: readonly string[];
  };
  readonly jobs: {
    readonly housekeepMs: number;
    readonly auditRetentionMs: number;
    /** From one scrub to the next; 0: only when asked for. */
    readonly scrubEveryMs: number;
    /** Bytes per second that a scrub reads. */
    readonly scrubRate: number;
  };
  readonly logLevel: LogLevel;
  /** Where each setting comes from. */
  readonly sources: Readonly<Record<VariableName, SettingSource>>;
}

/** One process with everything in its data directory. */
export interface EmbeddedConfig extends CommonConfig {
  readonly kind: "embedded";
  /** undefined: generated at the first start and kept in the data directory. */
  readonly adminToken: string | undefined;
}

/** One of any number of replicas over one Postgres and one bucket. */
export interface ClusterConfig extends CommonConfig {
  readonly kind: "cluster";
  readonly adminToken: string;
  readonly limits: Limits & {
    /** Of the bucket's content that is kept as local files, too. */
    readonly hotBytes: number;
  };
  readonly database: {
    /** With its password: never to be shown or logged. */
    readonly url: string;
    readonly poolSize: number;
    readonly caFile: string | undefined;
  };
  readonly s3: {
    /** Scheme, host and port. */
    readonly endpoint: string;
    readonly bucket: string;
    readonly accessKey: string;
    readonly secretKey: string;
    readonly sessionToken: string | undefined;
    readonly region: string;
    readonly pathStyle: boolean;
    readonly caFile: string | undefined;
  };
  readonly replica: {
    /** Scheme, host and port under which the other replicas reach this one. */
    readonly url: string;
    /** What all replicas share. */
    readonly secret: string;
  };
}

/** What is in force. */
export type Config = EmbeddedConfig | ClusterConfig;

type Measure = (directory: string) => Disk;

/**
 * Parses an environment. Throws `invalid-config` with every broken rule at once, each under the
 * name of its variable. `measure` tells the room on the disk, for limits that are not set.
 */
export function loadConfig(environment: Environment, measure: Measure = diskOf): Config {
  const raw = readEnvironment(environment);
  const texts = Object.fromEntries([...raw.settings].map(([name, setting]) => [name, setting.value]));
  const sources = Object.fromEntries(VARIABLE_NAMES.map((name) => [name, raw.settings.get(name)?.source ?? "default"]));
  const parts = { sources: sources as CommonConfig["sources"], measure };
  if (CLUSTER_SWITCHES.some((name) => isGiven(raw, name))) {
    const parsed = clusterSettings.safeParse(texts);
    const problems = problemsOf(raw, parsed.error?.issues);
    if (!parsed.success || problems.length > 0) throw invalidConfig(problems);
    return composeCluster(parsed.data, parts);
  }
  const parsed = embeddedSettings.safeParse(texts);
  const problems = [...problemsOf(raw, parsed.error?.issues), ...misplaced(raw)];
  if (!parsed.success || problems.length > 0) throw invalidConfig(problems);
  return composeEmbedded(parsed.data, parts);
}

export function isGiven({ settings, unread }: RawEnvironment, name: VariableName): boolean {
  return settings.has(name) || unread.has(name);
}

interface Issue {
  readonly path: readonly PropertyKey[];
  readonly message: string;
}

/** Names, files and values; a variable whose file is at fault is not said to be missing as well. */
export function problemsOf(
  { problems, unread }: RawEnvironment,
  issues: readonly Issue[] = [],
): readonly FieldProblem[] {
  const names: ReadonlySet<string> = unread;
  const broken = issues
    .map(({ path, message }) => ({ field: path.join("."), rule: message }))
    .filter(({ field }) => !names.has(field));
  return [...problems, ...broken];
}

/** What has no effect in embedded mode must not pass for having one. */
function misplaced(raw: RawEnvironment): readonly FieldProblem[] {
  const rule = "belongs to cluster mode: set DATABASE_URL and CISTERN_S3_* as well, or unset it to run embedded";
  return CLUSTER_NAMES.filter((name) => isGiven(raw, name)).map((field) => ({ field, rule }));
}

interface Parts {
  readonly sources: CommonConfig["sources"];
  readonly measure: Measure;
}

function composeEmbedded(settings: Settings, parts: Parts): EmbeddedConfig {
  const { keptBytes, ...common } = composeCommon(settings, settings.CISTERN_CACHE_BYTES, parts);
  return {
    kind: "embedded",
    ...common,
    adminToken: settings.CISTERN_ADMIN_TOKEN,
    limits: { ...common.limits, cacheBytes: keptBytes },
  };
}

function composeCluster(settings: ClusterSettings, parts: Parts): ClusterConfig {
  const { keptBytes, ...common } = composeCommon(settings, settings.CISTERN_HOT_BYTES, parts);
  const cacheBytes = settings.CISTERN_CACHE_BYTES ?? TIB;
  return {
    kind: "cluster",
    ...common,
    adminToken: settings.CISTERN_ADMIN_TOKEN,
    limits: { ...common.limits, cacheBytes, hotBytes: keptBytes },
    ...placeOf(settings),
    replica: { url: settings.CISTERN_REPLICA_URL, secret: settings.CISTERN_CLUSTER_SECRET },
  };
}

/** Where the records and the bytes of a cluster are. */
export function placeOf(settings: PlaceSettings): Pick<ClusterConfig, "database" | "s3"> {
  return {
    database: {
      url: settings.DATABASE_URL,
      poolSize: settings.CISTERN_DATABASE_POOL,
      caFile: settings.CISTERN_DATABASE_CA,
    },
    s3: {
      endpoint: settings.CISTERN_S3_ENDPOINT,
      bucket: settings.CISTERN_S3_BUCKET,
      accessKey: settings.CISTERN_S3_ACCESS_KEY,
      secretKey: settings.CISTERN_S3_SECRET_KEY,
      sessionToken: settings.CISTERN_S3_SESSION_TOKEN,
      region: settings.CISTERN_S3_REGION,
      pathStyle: settings.CISTERN_S3_PATH_STYLE,
      caFile: settings.CISTERN_S3_CA,
    },
  };
}

/** @param kept limit of the content that is kept on the disk, when it is set */
function composeCommon(settings: Settings, kept: number | undefined, { sources, measure }: Parts) {
  const dataDir = resolve(settings.CISTERN_DATA_DIR);
  const { CISTERN_SPOOL_BYTES: spool, CISTERN_TLS_CERT: certFile, CISTERN_TLS_KEY: keyFile } = settings;
  const shares =
    kept === undefined || spool === undefined ? sharesOf(measure(dataDir)) : { cacheBytes: kept, spoolBytes: spool };
  const spoolBytes = spool ?? shares.spoolBytes;
  return {
    keptBytes: kept ?? shares.cacheBytes,
    listen: settings.CISTERN_LISTEN,
    dataDir,
    limits: {
      spoolBytes,
      maxUploadBytes: settings.CISTERN_MAX_UPLOAD_BYTES ?? spoolBytes,
      maxConnections: settings.CISTERN_MAX_CONNECTIONS,
      maxConnectionsPerClient: settings.CISTERN_MAX_CONNECTIONS_PER_CLIENT,
      requestsPerSecond: settings.CISTERN_REQUESTS_PER_SECOND,
      readsPerSecond: settings.CISTERN_READS_PER_SECOND ?? Number.POSITIVE_INFINITY,
      guessesPerMinute: settings.CISTERN_GUESSES_PER_MINUTE,
      fetchedBytesPerDay: settings.CISTERN_FETCHED_BYTES_PER_DAY ?? Number.POSITIVE_INFINITY,
    },
    origin: {
      allow: settings.CISTERN_ORIGIN_ALLOW,
      memberHosts: settings.CISTERN_ORIGIN_HOSTS,
      timeouts: {
        connectMs: settings.CISTERN_CONNECT_TIMEOUT,
        headersMs: settings.CISTERN_HEADERS_TIMEOUT,
        stallMs: settings.CISTERN_STALL_TIMEOUT,
      },
    },
    policy: { mode: settings.CISTERN_MODE, redirectHosts: settings.CISTERN_REDIRECT_HOSTS },
    http: {
      anonymousRead: settings.CISTERN_ANONYMOUS_READ,
      idleMs: settings.CISTERN_CLIENT_IDLE_TIMEOUT,
      drainMs: settings.CISTERN_DRAIN_TIME,
      drainDelayMs: settings.CISTERN_DRAIN_DELAY,
      publicUrl: settings.CISTERN_PUBLIC_URL,
      adminListen: settings.CISTERN_ADMIN_LISTEN,
      tls: certFile === undefined || keyFile === undefined ? undefined : { certFile, keyFile },
      trustedProxies: settings.CISTERN_TRUSTED_PROXIES,
    },
    jobs: {
      housekeepMs: settings.CISTERN_HOUSEKEEP_INTERVAL,
      auditRetentionMs: settings.CISTERN_AUDIT_RETENTION,
      scrubEveryMs: settings.CISTERN_SCRUB_INTERVAL,
      scrubRate: settings.CISTERN_SCRUB_RATE ?? SCRUB_RATE,
    },
    logLevel: settings.CISTERN_LOG_LEVEL,
    sources,
  };
}

export function invalidConfig(fields: readonly FieldProblem[]): CisternError {
  const lines = fields.map(({ field, rule }) => `  ${field} ${rule}`);
  return new CisternError("invalid-config", `The configuration is not valid:\n${lines.join("\n")}`, { fields });
}
