import { setTimeout as delay } from "node:timers/promises";
import { CisternError } from "../../domain/errors.ts";
import { errnoOf } from "../io-error.ts";
import { mayPass, S3Failure } from "./failure.ts";
import { badSetting, type S3Settings } from "./options.ts";
import type { S3Session } from "./session.ts";

const PAUSE_MS = 250;

/**
 * Makes sure that the bucket is there and may be listed; creates it when it is missing. A server
 * that does not answer yet is waited for. `invalid-config` says which setting is at fault.
 */
export async function checkBucket(session: S3Session, signal: AbortSignal): Promise<void> {
  const end = performance.now() + session.settings.waitMs;
  for (;;) {
    try {
      await probe(session, signal);
      return;
    } catch (error) {
      signal.throwIfAborted();
      if (!mayPass(error) || performance.now() >= end) throw explain(error, session.settings);
    }
    await delay(PAUSE_MS);
  }
}

/** A GET, for the answer to HEAD has no body that would tell what is wrong. */
async function probe(session: S3Session, signal: AbortSignal): Promise<void> {
  try {
    await session.call(signal, (client, bucket) => client.listObjectsV2Query(bucket, "", "", "", 1, ""));
  } catch (error) {
    if (!(error instanceof S3Failure) || error.s3Code !== "NoSuchBucket") throw error;
    await createBucket(session, signal);
  }
}

async function createBucket(session: S3Session, signal: AbortSignal): Promise<void> {
  try {
    await session.call(signal, (client, bucket) => client.makeBucket(bucket, session.settings.region));
  } catch (error) {
    // Another replica that starts at the same time.
    if (error instanceof S3Failure && error.s3Code === "BucketAlreadyOwnedByYou") return;
    if (mayPass(error)) throw error;
    const why =
      error instanceof S3Failure && error.s3Code === "BucketAlreadyExists"
        ? "belongs to somebody else"
        : "does not exist and cannot be created with these keys";
    throw badSetting("BUCKET", `the bucket ${session.settings.bucket} ${why}`, error);
  }
}

function explain(error: unknown, settings: S3Settings): CisternError {
  if (error instanceof CisternError) return error;
  if (error instanceof S3Failure) return explainAnswer(error, settings);
  const errno = errnoOf(error) ?? "";
  const { host, hostname } = settings.endpoint;
  if (errno === "ERR_TLS_CERT_ALTNAME_INVALID") {
    return badSetting("ENDPOINT", `the certificate is not made out to ${hostname}`, error);
  }
  if (UNTRUSTED.has(errno)) {
    return badSetting("CA", `the certificate of ${host} is not trusted: name the file of its authority`, error);
  }
  if (errno === "EPROTO" || errno.startsWith("ERR_SSL")) {
    return badSetting("ENDPOINT", `${host} does not speak TLS: is it http://?`, error);
  }
  const name = settings.pathStyle
    ? ""
    : "; with CISTERN_S3_PATH_STYLE=false the name is that of the bucket in front of it";
  const found = errno === "ENOTFOUND" || errno === "EAI_AGAIN";
  return badSetting("ENDPOINT", found ? `${hostname} has no address${name}` : `nobody answers at ${host}`, error);
}

const UNTRUSTED = new Set([
  "DEPTH_ZERO_SELF_SIGNED_CERT",
  "SELF_SIGNED_CERT_IN_CHAIN",
  "UNABLE_TO_GET_ISSUER_CERT",
  "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
  "UNABLE_TO_VERIFY_LEAF_SIGNATURE",
  "CERT_UNTRUSTED",
  "CERT_HAS_EXPIRED",
  "CERT_NOT_YET_VALID",
]);

function explainAnswer(failure: S3Failure, settings: S3Settings): CisternError {
  const { bucket, endpoint, region } = settings;
  switch (failure.s3Code) {
    case "InvalidAccessKeyId":
    // What the Versity Gateway says.
    case "XAdminUserNotFound":
      return badSetting("ACCESS_KEY", `${endpoint.host} does not know this access key`, failure);
    case "SignatureDoesNotMatch":
      return badSetting("SECRET_KEY", "it does not belong to CISTERN_S3_ACCESS_KEY", failure);
    case "InvalidToken":
    case "InvalidTokenId":
    case "ExpiredToken":
    case "ExpiredTokenException":
      return badSetting("SESSION_TOKEN", "it is not valid, or not any more", failure);
    case "AuthorizationHeaderMalformed":
    case "AuthorizationQueryParametersError":
    case "IllegalLocationConstraintException":
    case "InvalidRegion":
    case "PermanentRedirect":
      return wrongRegion(failure, region);
    case "RequestTimeTooSkewed":
      return new CisternError("invalid-config", `the clocks of this machine and of ${endpoint.host} differ too much`, {
        cause: failure,
      });
    case "InvalidBucketName":
      return badSetting("BUCKET", `${endpoint.host} does not take ${bucket} as a name`, failure);
    case "AccessDenied":
    case "AllAccessDisabled":
      return badSetting("ACCESS_KEY", `it may not list the bucket ${bucket}`, failure);
  }
  if (failure.status === 301 || failure.status === 307) return wrongRegion(failure, region);
  if (failure.status >= 500) {
    return new CisternError("store-unavailable", `${endpoint.host} answers, but does not serve`, { cause: failure });
  }
  const https = endpoint.protocol === "http:" && failure.status === 400 ? ": is it https://?" : "";
  return badSetting("ENDPOINT", `${endpoint.host} does not answer as an S3 server does${https}`, failure);
}

function wrongRegion(failure: S3Failure, region: string): CisternError {
  const told = failure.region === undefined || failure.region === region ? "" : `, but ${failure.region}`;
  return badSetting("REGION", `the bucket is not in ${region}${told}`, failure);
}
