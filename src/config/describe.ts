import { formatDuration } from "../domain/duration.ts";
import { formatBytes } from "./bytes.ts";
import type { Config } from "./config.ts";
import type { SettingSource } from "./env.ts";
import type { VariableName } from "./variables.ts";
import { VARIABLES } from "./variables.ts";

/** One setting as it is in force, fit to be shown: a secret is masked. */
export interface ShownSetting {
  readonly variable: VariableName;
  readonly value: string | number | readonly string[] | null;
  /** The value for people. */
  readonly text: string;
  readonly source: SettingSource;
  readonly meaning: string;
}

type Shown = Pick<ShownSetting, "value" | "text">;

/** What is in force and where from, in the order of the table of variables. */
export function describeConfig(config: Config): readonly ShownSetting[] {
  const values = shownValues(config);
  return VARIABLES.map(({ name, meaning }) => ({
    variable: name,
    ...values[name],
    source: config.sources[name],
    meaning,
  }));
}

function shownValues(config: Config): Record<VariableName, Shown> {
  const { limits, origin, policy, http } = config;
  const host = config.listen.host.includes(":") ? `[${config.listen.host}]` : config.listen.host;
  return {
    CISTERN_LISTEN: text(`${host}:${config.listen.port}`),
    CISTERN_DATA_DIR: text(config.dataDir),
    CISTERN_ADMIN_TOKEN: text(config.adminToken === undefined ? "(generated)" : "***"),
    CISTERN_CACHE_BYTES: bytes(limits.cacheBytes),
    CISTERN_SPOOL_BYTES: bytes(limits.spoolBytes),
    CISTERN_MAX_UPLOAD_BYTES: bytes(limits.maxUploadBytes),
    CISTERN_MAX_CONNECTIONS: { value: limits.maxConnections, text: String(limits.maxConnections) },
    CISTERN_MODE: text(policy.mode),
    CISTERN_REDIRECT_HOSTS: list(policy.redirectHosts),
    CISTERN_ORIGIN_ALLOW: list(origin.allow),
    CISTERN_ORIGIN_HOSTS: list(origin.memberHosts),
    CISTERN_ANONYMOUS_READ: list(http.anonymousRead),
    CISTERN_PUBLIC_URL: http.publicUrl === undefined ? { value: null, text: "-" } : text(http.publicUrl),
    CISTERN_CONNECT_TIMEOUT: text(formatDuration(origin.timeouts.connectMs)),
    CISTERN_HEADERS_TIMEOUT: text(formatDuration(origin.timeouts.headersMs)),
    CISTERN_STALL_TIMEOUT: text(formatDuration(origin.timeouts.stallMs)),
    CISTERN_CLIENT_IDLE_TIMEOUT: text(formatDuration(http.idleMs)),
    CISTERN_DRAIN_TIME: text(formatDuration(http.drainMs)),
    CISTERN_HOUSEKEEP_INTERVAL: text(formatDuration(config.jobs.housekeepMs)),
    CISTERN_LOG_LEVEL: text(config.logLevel),
  };
}

function text(value: string): Shown {
  return { value, text: value };
}

function bytes(value: number): Shown {
  return { value, text: formatBytes(value) };
}

function list(value: readonly string[]): Shown {
  return { value, text: value.length === 0 ? "-" : value.join(", ") };
}
