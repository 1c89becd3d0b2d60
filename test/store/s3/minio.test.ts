import { afterAll, beforeAll, describe } from "vitest";
import { contentStoreConformance } from "../../conformance/content-store.ts";
import { hasMinio, type S3Server, startMinio } from "../../support/s3-servers.ts";
import { s3UnderTest } from "./s3-under-test.ts";

describe.skipIf(!hasMinio)("minio", () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startMinio();
  });

  afterAll(() => server[Symbol.asyncDispose]());

  contentStoreConformance("a bucket of MinIO", () => s3UnderTest(server));
});
