import { CisternError } from "../../domain/errors.ts";
import { errnoOf } from "../io-error.ts";

/** What an S3 server answered instead of doing it. The message names no key and no credential. */
export class S3Failure extends Error {
  readonly status: number;
  /** S3's error code (`NoSuchKey`, `SlowDown`, …); empty when the answer names none. */
  readonly s3Code: string;
  /** The region that the server says it has, when it told. */
  readonly region: string | undefined;

  constructor(method: string, status: number, s3Code: string, region?: string) {
    super(`${method} was answered with ${status}${s3Code === "" ? "" : ` ${s3Code}`}`);
    this.name = "S3Failure";
    this.status = status;
    this.s3Code = s3Code;
    this.region = region;
  }
}

/** The server was silent for too long. */
export class S3Timeout extends Error {
  constructor(what: string, milliseconds: number) {
    super(`${what} took longer than ${milliseconds} ms`);
    this.name = "S3Timeout";
  }
}

/** The server was silent for others just now, and has not been asked again. */
export class S3Silent extends Error {
  override readonly name = "S3Silent";

  constructor() {
    super("the server does not answer");
  }
}

/** The connection ended, or carried what is no answer to the request. */
export class S3Broken extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? {} : { cause });
    this.name = "S3Broken";
  }
}

const FULL = new Set([
  "XMinioStorageFull",
  "XMinioAdminBucketQuotaExceeded",
  "QuotaExceeded",
  "QuotaExceededException",
  "InsufficientStorage",
  "NotEnoughSpace",
]);

/** No room left is `spool-full`; anything else is doubt (I7). What is a CisternError already stays as it is. */
export function s3Unavailable(error: unknown): CisternError {
  if (error instanceof CisternError) return error;
  if (error instanceof S3Failure && (error.status === 507 || FULL.has(error.s3Code))) {
    return new CisternError("spool-full", "the object store has no space left", { cause: error });
  }
  return new CisternError("store-unavailable", "the object store is not available", {
    cause: asError(error),
  });
}

const PASSING_STATUS = new Set([408, 429, 499, 500, 502, 503, 504, 520]);
const PASSING_CODE = new Set(["SlowDown", "InternalError", "ServiceUnavailable", "RequestTimeout", "OperationAborted"]);
const PASSING_ERRNO = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "ECONNABORTED",
  "EPIPE",
  "ETIMEDOUT",
  "EHOSTUNREACH",
  "ENETUNREACH",
  "ENOTFOUND",
  "EAI_AGAIN",
  "ERR_STREAM_PREMATURE_CLOSE",
]);

/** Whether the same request may succeed a little later. */
export function mayPass(error: unknown): boolean {
  if (error instanceof S3Failure) return PASSING_STATUS.has(error.status) || PASSING_CODE.has(error.s3Code);
  if (error instanceof S3Timeout || error instanceof S3Broken) return true;
  return PASSING_ERRNO.has(errnoOf(error) ?? "");
}

/**
 * The SDK throws the error in the body of an answer with status 200 (CompleteMultipartUpload has
 * such) as the object that it parsed.
 */
export function asError(error: unknown): Error {
  if (error instanceof Error) return error;
  const code = typeof error === "object" && error !== null && "Code" in error ? String(error.Code) : "";
  return new S3Failure("a request", 200, code);
}
