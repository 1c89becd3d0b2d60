import { readFile } from "node:fs/promises";
import { getCACertificates } from "node:tls";
import { checkBucket } from "./check-bucket.ts";
import { badSetting, type S3Options, settingsOf } from "./options.ts";
import { S3Reader } from "./s3-reader.ts";
import { S3Store } from "./s3-store.ts";
import { S3Session } from "./session.ts";

/**
 * Opens the bucket, which is created when it is missing. Waits for a server that is not up yet.
 * `invalid-config` names the setting that is at fault.
 */
export async function openS3Store(options: S3Options, signal: AbortSignal): Promise<S3Store> {
  const settings = settingsOf(options);
  const authorities = await readAuthorities(options.caFile);
  const session = await S3Session.create(settings, authorities);
  try {
    await checkBucket(session, signal);
    return new S3Store(session, await S3Reader.create(session, authorities));
  } catch (error) {
    session[Symbol.dispose]();
    throw error;
  }
}

/** Node takes a list for all there is: what the system trusts belongs into it. */
async function readAuthorities(file: string | undefined): Promise<string[] | undefined> {
  if (file === undefined) return undefined;
  let pem: string;
  try {
    pem = await readFile(file, "utf8");
  } catch (error) {
    throw badSetting("CA", "the file cannot be read", error);
  }
  if (!pem.includes("-----BEGIN CERTIFICATE-----")) throw badSetting("CA", "the file holds no PEM certificate");
  return [...getCACertificates("default"), pem];
}
