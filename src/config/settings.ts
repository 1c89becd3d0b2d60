import { z } from "zod";
import { parseBucket } from "./bucket.ts";
import { parseListen } from "./network.ts";
import { certificateFile, keyFile, keyFits } from "./pem-file.ts";
import {
  across,
  bytes,
  cidr,
  duration,
  hostPattern,
  judged,
  list,
  matching,
  oneOf,
  optionalNumber,
  parsed,
  privateCidr,
  span,
  wholeNumber,
} from "./rules.ts";
import { parseDatabaseUrl, parseOrigin, parsePublicUrl, parseReplicaUrl } from "./urls.ts";
import type { ClusterVariable, VariableName } from "./variables.ts";

/** RFC 6750 §2.1: what fits a Bearer header, and comes through percent-decoding unchanged. */
const TOKEN = /^(?=.{16,512}$)[A-Za-z0-9._~+/-]+=*$/;

const listen = parsed(parseListen, "must be host:port, an IPv6 address in brackets ([::1]:8080)");
const adminToken = matching(
  TOKEN,
  "must be 16 to 512 letters, digits or . _ ~ + / - (make one with: openssl rand -hex 32)",
);

/** What both modes take. The rules are what an operator reads when one is broken. */
const common = {
  CISTERN_LISTEN: listen.prefault("127.0.0.1:8080"),
  CISTERN_DATA_DIR: z
    .string()
    .refine((text) => !text.includes("\0"), "must not contain a NUL")
    .default("./data"),
  CISTERN_ADMIN_TOKEN: adminToken.optional(),
  CISTERN_CACHE_BYTES: bytes(0),
  CISTERN_SPOOL_BYTES: bytes(64 * 2 ** 20),
  CISTERN_MAX_UPLOAD_BYTES: bytes(0),
  CISTERN_MAX_CONNECTIONS: wholeNumber(1, 999_999, 4096),
  CISTERN_MAX_CONNECTIONS_PER_CLIENT: wholeNumber(1, 999_999, 256),
  CISTERN_REQUESTS_PER_SECOND: wholeNumber(1, 999_999, 500),
  CISTERN_READS_PER_SECOND: optionalNumber(1, 999_999),
  CISTERN_GUESSES_PER_MINUTE: wholeNumber(1, 999_999, 60),
  CISTERN_FETCHED_BYTES_PER_DAY: bytes(0),
  CISTERN_AUDIT_RETENTION: span("P400D", "P1D", "P3650D"),
  CISTERN_MODE: oneOf(["cache", "proxy", "redirect"], "cache"),
  CISTERN_REDIRECT_HOSTS: list(hostPattern),
  CISTERN_ORIGIN_ALLOW: list(privateCidr),
  CISTERN_ORIGIN_HOSTS: list(hostPattern),
  CISTERN_ANONYMOUS_READ: list(cidr),
  CISTERN_PUBLIC_URL: parsed(
    parsePublicUrl,
    "must be an http or https URL without user-info, query and fragment",
  ).optional(),
  CISTERN_ADMIN_LISTEN: listen.optional(),
  CISTERN_TLS_CERT: judged(certificateFile).optional(),
  CISTERN_TLS_KEY: judged(keyFile).optional(),
  CISTERN_TRUSTED_PROXIES: list(cidr),
  CISTERN_CONNECT_TIMEOUT: duration("PT10S", 100),
  CISTERN_HEADERS_TIMEOUT: duration("PT30S", 100),
  CISTERN_STALL_TIMEOUT: duration("PT30S", 100),
  CISTERN_CLIENT_IDLE_TIMEOUT: duration("PT60S", 100),
  CISTERN_DRAIN_TIME: duration("PT30S", 0),
  CISTERN_DRAIN_DELAY: duration("PT0S", 0),
  CISTERN_SCRUB_INTERVAL: duration("P30D", 0, "P3650D"),
  CISTERN_SCRUB_RATE: bytes(64 * 1024),
  CISTERN_HOUSEKEEP_INTERVAL: duration("PT5M", 100),
  CISTERN_LOG_LEVEL: oneOf(["trace", "debug", "info", "warn", "error", "fatal", "silent"], "info"),
} satisfies Record<Exclude<VariableName, ClusterVariable>, z.ZodType>;

/** What cluster mode takes besides. */
const cluster = {
  DATABASE_URL: parsed(
    parseDatabaseUrl,
    "must be a URL like postgres://user:password@host:5432/database, percent-encoded, with one host",
  ),
  CISTERN_DATABASE_POOL: wholeNumber(2, 100, 10),
  CISTERN_DATABASE_CA: judged(certificateFile).optional(),
  CISTERN_S3_ENDPOINT: parsed(parseOrigin, "must be an http or https URL without path, query and user-info"),
  CISTERN_S3_BUCKET: parsed(
    parseBucket,
    "must be the name of a bucket: 3 to 63 lower-case letters, digits, hyphens and single dots, no IP address",
  ),
  CISTERN_S3_ACCESS_KEY: matching(/^[!-.0-~]{1,128}$/, "must be 1 to 128 printable characters without blanks and /"),
  CISTERN_S3_SECRET_KEY: matching(/^[!-~]{1,512}$/, "must be 1 to 512 printable characters without blanks"),
  CISTERN_S3_SESSION_TOKEN: matching(/^[!-~]{1,8192}$/, "must be printable characters without blanks").optional(),
  CISTERN_S3_REGION: matching(/^[A-Za-z0-9_-]{1,63}$/, "must be 1 to 63 letters, digits, - or _").prefault("us-east-1"),
  CISTERN_S3_PATH_STYLE: oneOf(["true", "false"], "true").transform((text) => text === "true"),
  CISTERN_S3_CA: judged(certificateFile).optional(),
  CISTERN_HOT_BYTES: bytes(0),
  CISTERN_REPLICA_URL: parsed(
    parseReplicaUrl,
    "must be an http or https URL without path, query and user-info, whose host the other replicas reach (not 0.0.0.0 or ::)",
  ),
  CISTERN_CLUSTER_SECRET: matching(
    /^[!-~]{32,512}$/,
    "must be 32 to 512 printable characters without blanks (make one with: openssl rand -hex 32)",
  ),
} satisfies Record<ClusterVariable, z.ZodType>;

const commonSchema = z.object(common);
const wholeSchema = z.object({ ...common, ...cluster, CISTERN_ADMIN_TOKEN: adminToken });

export type Settings = z.output<typeof commonSchema>;
export type ClusterSettings = z.output<typeof wholeSchema>;

type HostStyle = "CISTERN_S3_BUCKET" | "CISTERN_S3_PATH_STYLE" | "CISTERN_S3_ENDPOINT";

const redirectHosts = across<Settings>(
  ["CISTERN_REDIRECT_HOSTS", "CISTERN_MODE"],
  (settings) => settings.CISTERN_MODE !== "redirect" || settings.CISTERN_REDIRECT_HOSTS.length > 0,
  "must name at least one host when CISTERN_MODE is redirect",
);
const certificate = across<Settings>(
  ["CISTERN_TLS_CERT", "CISTERN_TLS_KEY"],
  (settings) => settings.CISTERN_TLS_CERT !== undefined || settings.CISTERN_TLS_KEY === undefined,
  "must be set together with CISTERN_TLS_KEY",
);
const key = across<Settings>(
  ["CISTERN_TLS_KEY", "CISTERN_TLS_CERT"],
  (settings) => settings.CISTERN_TLS_KEY !== undefined || settings.CISTERN_TLS_CERT === undefined,
  "must be set together with CISTERN_TLS_CERT",
);
const fittingKey = across<Settings>(
  ["CISTERN_TLS_KEY", "CISTERN_TLS_CERT"],
  ({ CISTERN_TLS_CERT: cert, CISTERN_TLS_KEY: own }) => cert === undefined || own === undefined || keyFits(cert, own),
  "is not the key of the certificate of CISTERN_TLS_CERT",
);
const adminListen = across<Settings>(
  ["CISTERN_ADMIN_LISTEN", "CISTERN_LISTEN"],
  ({ CISTERN_ADMIN_LISTEN: own, CISTERN_LISTEN: other }) =>
    own === undefined || own.port === 0 || own.port !== other.port || own.host !== other.host,
  "must not be the same as CISTERN_LISTEN",
);
const hostStyle = across<Pick<ClusterSettings, HostStyle>>(
  ["CISTERN_S3_BUCKET", "CISTERN_S3_PATH_STYLE", "CISTERN_S3_ENDPOINT"],
  (settings) =>
    settings.CISTERN_S3_PATH_STYLE ||
    !settings.CISTERN_S3_BUCKET.includes(".") ||
    settings.CISTERN_S3_ENDPOINT.startsWith("http:"),
  "must have no dot when CISTERN_S3_PATH_STYLE is false: no certificate covers such a host name",
);

const { CISTERN_HOT_BYTES: _hot, CISTERN_REPLICA_URL: _url, CISTERN_CLUSTER_SECRET: _secret, ...shared } = cluster;
const placeSchema = z.object({ CISTERN_DATA_DIR: common.CISTERN_DATA_DIR, ...shared });
export type PlaceSettings = z.output<typeof placeSchema>;

/** Text of the variables → where a cluster's catalog and content are, which is not all that a replica needs. */
export const placeSettings = placeSchema.refine(...hostStyle);

/** Text of the variables → values, embedded. */
export const embeddedSettings = commonSchema
  .refine(...redirectHosts)
  .refine(...certificate)
  .refine(...key)
  .refine(...fittingKey)
  .refine(...adminListen);

/** Text of the variables → values, in cluster mode. */
export const clusterSettings = wholeSchema
  .refine(...redirectHosts)
  .refine(...certificate)
  .refine(...key)
  .refine(...fittingKey)
  .refine(...adminListen)
  .refine(...hostStyle);
