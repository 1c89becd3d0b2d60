import { CisternError } from "../../domain/errors.ts";
import { S3Failure } from "./failure.ts";
import type { S3Session } from "./session.ts";

/** Bytes of an object; undefined: certainly absent. Rejects with what the server or the connection says. */
export async function sizeOf(session: S3Session, key: string, signal: AbortSignal): Promise<number | undefined> {
  try {
    const { size } = await session.call(signal, (client, bucket) => client.statObject(bucket, key));
    if (Number.isSafeInteger(size)) return size;
    throw new CisternError("store-unavailable", "the object store does not tell how large an object is");
  } catch (error) {
    if (error instanceof S3Failure && (await isAbsence(session, error, signal))) return undefined;
    throw error;
  }
}

/**
 * Whether a 404 means that the object is not there. The answer to HEAD has no body, and without
 * MinIO's header it may be the bucket that is missing: that is no absence (I7).
 */
export async function isAbsence(
  session: S3Session,
  { status, s3Code }: S3Failure,
  signal: AbortSignal,
): Promise<boolean> {
  if (status !== 404) return false;
  if (s3Code !== "") return s3Code === "NoSuchKey";
  return await session.call(signal, (client, bucket) => client.bucketExists(bucket));
}
