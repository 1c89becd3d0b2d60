import { afterAll, beforeAll, describe } from "vitest";
import { contentStoreConformance } from "../../conformance/content-store.ts";
import { hasVersity, type S3Server, startVersity } from "../../support/s3-servers.ts";
import { s3UnderTest } from "./s3-under-test.ts";

describe.skipIf(!hasVersity)("versitygw", () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startVersity();
  });

  afterAll(() => server[Symbol.asyncDispose]());

  contentStoreConformance("a bucket of the Versity Gateway", () => s3UnderTest(server));
});
