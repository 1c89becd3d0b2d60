import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { openS3Store } from "../../../src/store/s3/open-s3-store.ts";
import type { S3Options } from "../../../src/store/s3/options.ts";
import type { S3Store } from "../../../src/store/s3/s3-store.ts";
import { openSpool } from "../../../src/store/spool/open-spool.ts";
import type { ContentStoreUnderTest } from "../../conformance/content-store.ts";
import { write } from "../../conformance/spool.ts";
import type { S3Server } from "../../support/s3-servers.ts";
import { temporaryDirectory } from "../temporary-directory.ts";

const never = new AbortController().signal;

export interface S3UnderTest extends ContentStoreUnderTest {
  readonly store: S3Store;
  readonly options: S3Options;
}

/** Options for a bucket of its own on the server. */
export function optionsFor(server: S3Server, changes: Partial<S3Options> = {}): S3Options {
  const { endpoint, accessKey, secretKey, region, caFile } = server;
  const bucket = `test-${randomUUID()}`;
  return { endpoint, accessKey, secretKey, region, caFile, bucket, pathStyle: true, ...changes };
}

/** A store on a new bucket, and a spool to fill it from. */
export async function s3UnderTest(server: S3Server, changes: Partial<S3Options> = {}): Promise<S3UnderTest> {
  const directory = await temporaryDirectory();
  const spool = await openSpool(join(directory.path, "spool"), 2e9);
  const options = optionsFor(server, changes);
  const store = await openS3Store(options, never);
  return {
    store,
    options,
    readersOutliveRemoval: false,
    spool: () => spool.create(0),
    spooled: async (bytes) => {
      const file = await spool.create(bytes.length);
      await write(file, bytes);
      return file;
    },
    unfinished: () => uploadsOf(store),
    [Symbol.asyncDispose]: async () => {
      await store[Symbol.asyncDispose]();
      await directory[Symbol.asyncDispose]();
    },
  };
}

/** Uploads that the server has begun and not ended. */
export async function uploadsOf(store: S3Store): Promise<number> {
  const list = await store.session.call(never, (client, bucket) =>
    client.listIncompleteUploadsQuery(bucket, "", "", "", ""),
  );
  return list.uploads.length;
}
