import { CisternError } from "../../domain/errors.ts";

const MIB = 1024 * 1024;

/** Where the objects live, and how patient to be. */
export interface S3Options {
  /** `http://` or `https://`, host, and a port if need be; nothing behind it. */
  readonly endpoint: string;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  /** Of temporary credentials. */
  readonly sessionToken?: string | undefined;
  readonly region: string;
  /** The bucket in the path of a URL rather than in its host name. */
  readonly pathStyle: boolean;
  /** PEM file with the authorities that are trusted besides the system's. */
  readonly caFile?: string | undefined;
  /** Bytes of a part of an upload: 8 to 16 MiB. */
  readonly partBytes?: number | undefined;
  /** Bytes of parts that all uploads together may hold in memory. */
  readonly uploadBytes?: number | undefined;
  /** Bytes that the first request of a sequential reader asks for; who goes on gets up to eight times that. */
  readonly rangeBytes?: number | undefined;
  /** Connections that read content at the same time. */
  readonly maxReads?: number | undefined;
  /** Connections that do everything else at the same time. */
  readonly maxCalls?: number | undefined;
  readonly connectMs?: number | undefined;
  /** How long the server may be silent within a request. */
  readonly requestMs?: number | undefined;
  /** How long one waits to be told whether an object is there: readers may have another source. */
  readonly lookMs?: number | undefined;
  /** How long an open object keeps its connection while nobody reads. */
  readonly idleMs?: number | undefined;
  /** How long `commit` asks again while the server is away or overloaded. */
  readonly retryMs?: number | undefined;
  /** How long a server that is not up yet is waited for at start. */
  readonly waitMs?: number | undefined;
}

/** The options with everything that was left out. */
export interface S3Settings {
  readonly endpoint: URL;
  readonly bucket: string;
  readonly accessKey: string;
  readonly secretKey: string;
  readonly sessionToken: string | undefined;
  readonly region: string;
  readonly pathStyle: boolean;
  readonly partBytes: number;
  readonly uploadBytes: number;
  readonly rangeBytes: number;
  readonly maxReads: number;
  readonly maxCalls: number;
  readonly connectMs: number;
  readonly requestMs: number;
  readonly lookMs: number;
  readonly idleMs: number;
  readonly retryMs: number;
  readonly waitMs: number;
}

export function settingsOf(options: S3Options): S3Settings {
  const partBytes = options.partBytes ?? 16 * MIB;
  if (partBytes < 8 * MIB || partBytes > 16 * MIB) throw badSetting("PART_BYTES", "must be between 8 MiB and 16 MiB");
  if (options.accessKey === "") throw badSetting("ACCESS_KEY", "is empty");
  if (options.secretKey === "") throw badSetting("SECRET_KEY", "is empty");
  if (options.region === "") throw badSetting("REGION", "is empty");
  return {
    endpoint: parseEndpoint(options.endpoint),
    bucket: checkBucketName(options.bucket),
    accessKey: options.accessKey,
    secretKey: options.secretKey,
    sessionToken: options.sessionToken,
    region: options.region,
    pathStyle: options.pathStyle,
    partBytes,
    uploadBytes: Math.max(options.uploadBytes ?? 64 * MIB, partBytes),
    rangeBytes: options.rangeBytes ?? 8 * MIB,
    maxReads: options.maxReads ?? 256,
    maxCalls: options.maxCalls ?? 32,
    connectMs: options.connectMs ?? 5_000,
    requestMs: options.requestMs ?? 15_000,
    lookMs: Math.min(options.lookMs ?? 5_000, options.requestMs ?? 15_000),
    idleMs: options.idleMs ?? 10_000,
    retryMs: options.retryMs ?? 30_000,
    waitMs: options.waitMs ?? 30_000,
  };
}

/** An `invalid-config` that says which setting is at fault. @param name what follows `CISTERN_S3_` */
export function badSetting(name: string, problem: string, cause?: unknown): CisternError {
  return new CisternError("invalid-config", `CISTERN_S3_${name}: ${problem}`, cause === undefined ? {} : { cause });
}

function parseEndpoint(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== "http:" && url.protocol !== "https:")) {
    throw badSetting("ENDPOINT", "must be a URL that begins with http:// or https://");
  }
  if (url.username !== "" || url.password !== "") {
    throw badSetting("ENDPOINT", "must hold no credentials: they belong into CISTERN_S3_ACCESS_KEY and _SECRET_KEY");
  }
  if (url.pathname !== "/" || url.search !== "" || url.hash !== "") {
    throw badSetting("ENDPOINT", "must end after the host and the port: the bucket is set by CISTERN_S3_BUCKET");
  }
  return url;
}

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucketnamingrules.html */
function checkBucketName(name: string): string {
  const formed = /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(name) && !name.includes("..");
  if (formed && !/^\d+\.\d+\.\d+\.\d+$/.test(name)) return name;
  throw badSetting("BUCKET", "must be 3 to 63 lower-case letters, digits, dots and hyphens, and no address");
}
