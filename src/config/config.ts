import { resolve } from "node:path";
import type { FieldProblem } from "../domain/errors.ts";
import { CisternError } from "../domain/errors.ts";
import type { Policy } from "../domain/policy.ts";
import type { Disk } from "./disk.ts";
import { diskOf, sharesOf } from "./disk.ts";
import type { Environment, SettingSource } from "./env.ts";
import { readEnvironment } from "./env.ts";
import type { Listen } from "./network.ts";
import type { Settings } from "./settings.ts";
import { settingsSchema } from "./settings.ts";
import type { VariableName } from "./variables.ts";
import { VARIABLE_NAMES } from "./variables.ts";

/** The file of the data directory that holds the generated admin token, mode 0600. */
export const ADMIN_TOKEN_FILE = "admin-token";

export type LogLevel = Settings["CISTERN_LOG_LEVEL"];

/** Sizes in bytes, times in milliseconds. */
export interface EmbeddedConfig {
  readonly kind: "embedded";
  readonly listen: Listen;
  /** Absolute. */
  readonly dataDir: string;
  /** undefined: generated at the first start and kept in the data directory. */
  readonly adminToken: string | undefined;
  readonly limits: {
    readonly cacheBytes: number;
    readonly spoolBytes: number;
    readonly maxUploadBytes: number;
    readonly maxConnections: number;
  };
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
    /** Without a slash at the end. */
    readonly publicUrl: string | undefined;
  };
  readonly jobs: { readonly housekeepMs: number };
  readonly logLevel: LogLevel;
  /** Where each setting comes from. */
  readonly sources: Readonly<Record<VariableName, SettingSource>>;
}

/** What is in force. The cluster's variant joins this union. */
export type Config = EmbeddedConfig;

/**
 * Parses an environment. Throws `invalid-config` with every broken rule at once, each under the
 * name of its variable. `measure` tells the room on the disk, for limits that are not set.
 */
export function loadConfig(environment: Environment, measure: (directory: string) => Disk = diskOf): Config {
  const raw = readEnvironment(environment);
  const texts = Object.fromEntries([...raw.settings].map(([name, setting]) => [name, setting.value]));
  const parsed = settingsSchema.safeParse(texts);
  const broken = parsed.success
    ? []
    : parsed.error.issues.map((issue) => ({ field: issue.path.join("."), rule: issue.message }));
  const problems = [...raw.problems, ...broken];
  if (!parsed.success || problems.length > 0) throw invalidConfig(problems);
  const sources = Object.fromEntries(VARIABLE_NAMES.map((name) => [name, raw.settings.get(name)?.source ?? "default"]));
  return compose(parsed.data, sources as Config["sources"], measure);
}

function compose(settings: Settings, sources: Config["sources"], measure: (directory: string) => Disk): EmbeddedConfig {
  const dataDir = resolve(settings.CISTERN_DATA_DIR);
  const { CISTERN_CACHE_BYTES: cache, CISTERN_SPOOL_BYTES: spool } = settings;
  const shares =
    cache === undefined || spool === undefined ? sharesOf(measure(dataDir)) : { cacheBytes: cache, spoolBytes: spool };
  const spoolBytes = spool ?? shares.spoolBytes;
  return {
    kind: "embedded",
    listen: settings.CISTERN_LISTEN,
    dataDir,
    adminToken: settings.CISTERN_ADMIN_TOKEN,
    limits: {
      cacheBytes: cache ?? shares.cacheBytes,
      spoolBytes,
      maxUploadBytes: settings.CISTERN_MAX_UPLOAD_BYTES ?? spoolBytes,
      maxConnections: settings.CISTERN_MAX_CONNECTIONS,
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
      publicUrl: settings.CISTERN_PUBLIC_URL,
    },
    jobs: { housekeepMs: settings.CISTERN_HOUSEKEEP_INTERVAL },
    logLevel: settings.CISTERN_LOG_LEVEL,
    sources,
  };
}

function invalidConfig(fields: readonly FieldProblem[]): CisternError {
  const lines = fields.map(({ field, rule }) => `  ${field} ${rule}`);
  return new CisternError("invalid-config", `The configuration is not valid:\n${lines.join("\n")}`, { fields });
}
