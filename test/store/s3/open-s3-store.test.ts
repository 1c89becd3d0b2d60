import { randomBytes, randomUUID } from "node:crypto";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AssumeRoleProvider } from "minio/dist/esm/AssumeRoleProvider.mjs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { claimBucket } from "../../../src/store/s3/claim-bucket.ts";
import { openS3Store } from "../../../src/store/s3/open-s3-store.ts";
import { type S3Options, settingsOf } from "../../../src/store/s3/options.ts";
import { S3Session } from "../../../src/store/s3/session.ts";
import { contentOf } from "../../conformance/content-store.ts";
import { type FaultProxy, startFaultProxy } from "../../support/fault-proxy.ts";
import { freePort } from "../../support/free-port.ts";
import { putObject } from "../../support/put-object.ts";
import { hasMinio, hasVersity, type S3Server, startMinio, startVersity } from "../../support/s3-servers.ts";
import { nameOf } from "../object-name.ts";
import { temporaryDirectory } from "../temporary-directory.ts";
import { optionsFor, s3UnderTest } from "./s3-under-test.ts";

const MIB = 1 << 20;
const never = new AbortController().signal;

describe.each([
  ["minio", hasMinio, startMinio],
  ["versitygw", hasVersity, startVersity],
])("a start with %s", (program, installed, startServer) => {
  let server: S3Server;

  beforeAll(async () => {
    if (installed) server = await startServer({ region: "eu-west-7" });
  });

  afterAll(() => server?.[Symbol.asyncDispose]());

  test.skipIf(!installed)("creates the bucket, once, and finds it the next time", async () => {
    const options = optionsFor(server);
    const stores = await Promise.all([1, 2, 3].map(() => openS3Store(options, never)));
    for (const store of [...stores, await openS3Store(options, never)]) {
      await store.ping(never);
      await store[Symbol.asyncDispose]();
    }
  });

  test.skipIf(!installed).each<[string, () => Partial<S3Options>]>([
    ["CISTERN_S3_ACCESS_KEY", () => ({ accessKey: "somebody" })],
    ["CISTERN_S3_SECRET_KEY", () => ({ secretKey: "something else" })],
    ["CISTERN_S3_REGION", () => ({ region: "us-east-1" })],
    ["CISTERN_S3_ENDPOINT", () => ({ endpoint: server.endpoint.replace("http:", "https:") })],
    ["CISTERN_S3_ENDPOINT", () => ({ endpoint: "http://nowhere.invalid:9000", waitMs: 300 })],
  ])("that is set up wrongly names %s", async (setting, changes) => {
    const opening = openS3Store(optionsFor(server, { waitMs: 2_000, ...changes() }), never);
    await expect(opening).rejects.toMatchObject({
      code: "invalid-config",
      message: expect.stringContaining(`${setting}: `),
    });
  });

  test.skipIf(!installed)("at a port where nobody listens gives up after its time", async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    await expect(openS3Store(optionsFor(server, { endpoint, waitMs: 300 }), never)).rejects.toMatchObject({
      code: "invalid-config",
      message: `CISTERN_S3_ENDPOINT: nobody answers at ${endpoint.slice(7)}`,
    });
  });

  test.skipIf(!installed)("that is aborted ends", async () => {
    const endpoint = `http://127.0.0.1:${await freePort()}`;
    const opening = openS3Store(optionsFor(server, { endpoint }), AbortSignal.timeout(100));
    await expect(opening).rejects.toMatchObject({ name: "TimeoutError" });
  });

  test.skipIf(!installed)("a bucket belongs to one catalog, until another takes it over", async () => {
    await using first = await openS3Store(optionsFor(server), never);
    const [ours, theirs] = [randomUUID(), randomUUID()];
    await claimBucket(first, ours, { takeOver: false }, never);
    await claimBucket(first, ours, { takeOver: false }, never);
    await expect(claimBucket(first, theirs, { takeOver: false }, never)).rejects.toMatchObject({
      code: "invalid-config",
      message: expect.stringMatching(/^CISTERN_S3_BUCKET: .*another catalog.*cistern rebuild/),
    });
    await claimBucket(first, theirs, { takeOver: true }, never);
    await claimBucket(first, theirs, { takeOver: false }, never);
    await expect(claimBucket(first, ours, { takeOver: false }, never)).rejects.toMatchObject({
      code: "invalid-config",
    });
  });

  test.skipIf(!installed)("of ten catalogs that claim one bucket at the same time one gets it", async () => {
    await using store = await openS3Store(optionsFor(server), never);
    const claims = Array.from({ length: 10 }, () => claimBucket(store, randomUUID(), { takeOver: false }, never));
    const outcomes = await Promise.allSettled(claims);
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  });

  test.skipIf(!installed)(`${program} tells when an object came`, async () => {
    await using under = await s3UnderTest(server);
    const bytes = randomBytes(8);
    await using spool = await under.spooled(bytes);
    await putObject(under.store, nameOf(bytes), spool, never);
    const { value } = await under.store.list(never).next();
    expect(Math.abs((value?.writtenAt?.getTime() ?? 0) - Date.now())).toBeLessThan(60_000);
  });

  test.skipIf(!installed)(
    `${program} is not told a missing bucket apart from a missing object by luck (I7)`,
    async () => {
      await using under = await s3UnderTest(server);
      await under.store.session.call(never, (client, bucket) => client.removeBucket(bucket));
      const name = nameOf(randomBytes(8));
      await expect(under.store.open(name, 8)).rejects.toMatchObject({ code: "store-unavailable" });
      await expect(under.store.ping(never)).rejects.toMatchObject({ code: "store-unavailable" });
      await expect(under.store.list(never).next()).rejects.toMatchObject({ code: "store-unavailable" });
      await using spool = await under.spooled(Buffer.from("x"));
      await expect(putObject(under.store, name, spool, never)).rejects.toMatchObject({ code: "store-unavailable" });
    },
  );
});

describe.skipIf(!hasMinio)("a start with answers that a server here does not give", () => {
  let server: S3Server;
  let proxy: FaultProxy;

  beforeAll(async () => {
    server = await startMinio();
    proxy = await startFaultProxy(server.endpoint);
  });

  afterAll(async () => {
    await proxy[Symbol.asyncDispose]();
    await server[Symbol.asyncDispose]();
  });

  test.each([
    ["RequestTimeTooSkewed", 403, /clocks of this machine and of 127\.0\.0\.1:\d+ differ/],
    ["ExpiredToken", 400, /^CISTERN_S3_SESSION_TOKEN: /],
    ["AccessDenied", 403, /^CISTERN_S3_ACCESS_KEY: it may not list/],
    ["PermanentRedirect", 301, /^CISTERN_S3_REGION: /],
    ["", 404, /^CISTERN_S3_ENDPOINT: .* does not answer as an S3 server/],
  ])("explains %s", async (code, status, message) => {
    proxy.rule = () => ({ kind: "answer", status, body: `<Error><Code>${code}</Code></Error>` });
    await expect(openS3Store(optionsFor(server, { endpoint: proxy.endpoint }), never)).rejects.toMatchObject({
      code: "invalid-config",
      message: expect.stringMatching(message),
    });
  });

  test.each(["AccessDenied", "BucketAlreadyExists"])("names the bucket that cannot be created: %s", async (code) => {
    const body = `<Error><Code>${code}</Code></Error>`;
    proxy.rule = (line) => (line.startsWith("PUT ") ? { kind: "answer", status: 403, body } : undefined);
    await expect(openS3Store(optionsFor(server, { endpoint: proxy.endpoint }), never)).rejects.toMatchObject({
      code: "invalid-config",
      message: expect.stringMatching(/^CISTERN_S3_BUCKET: the bucket test-/),
    });
  });

  test("a server that only fails is an outage, not a mistake in the settings", async () => {
    proxy.rule = () => ({ kind: "answer", status: 503 });
    const options = optionsFor(server, { endpoint: proxy.endpoint, waitMs: 300 });
    await expect(openS3Store(options, never)).rejects.toMatchObject({ code: "store-unavailable" });
  });

  test("no secret is in what is told, however deep", async () => {
    proxy.rule = () => undefined;
    const secretKey = "a-secret-that-is-wrong";
    const failed = await openS3Store(optionsFor(server, { secretKey }), never).then(
      () => undefined,
      (error: unknown) => error,
    );
    expect(JSON.stringify(failed, everything)).not.toContain(secretKey);
    expect(JSON.stringify(failed, everything)).not.toMatch(/Signature=/);
  });

  test("temporary credentials upload and read", async () => {
    const { accessKey, secretKey, endpoint, region } = server;
    const provider = new AssumeRoleProvider({
      stsEndpoint: endpoint,
      accessKey,
      secretKey,
      durationSeconds: 900,
      region,
    });
    const credentials = await provider.getCredentials();
    await using under = await s3UnderTest(server, {
      accessKey: credentials.getAccessKey(),
      secretKey: credentials.getSecretKey(),
      sessionToken: credentials.getSessionToken(),
    });
    const bytes = randomBytes(20 * MIB);
    await using spool = await under.spooled(bytes);
    await putObject(under.store, nameOf(bytes), spool, never);
    expect((await contentOf(under.store, nameOf(bytes), bytes.length))?.equals(bytes)).toBe(true);
  });
});

describe.skipIf(!hasMinio)("a MinIO with TLS", () => {
  let server: S3Server;

  beforeAll(async () => {
    server = await startMinio({ tls: true });
  });

  afterAll(() => server[Symbol.asyncDispose]());

  test("uploads and reads, in blocks and at random", async () => {
    // A name, with more addresses than the one that the server has.
    await using under = await s3UnderTest(server, { endpoint: server.endpoint.replace("127.0.0.1", "localhost") });
    const bytes = randomBytes(40 * MIB);
    await using spool = await under.spooled(bytes);
    await putObject(under.store, nameOf(bytes), spool, never);
    await using opened = await under.store.open(nameOf(bytes), bytes.length);
    const whole = Buffer.alloc(bytes.length);
    for (let offset = 0; offset < whole.length; offset += MIB) {
      await opened?.read(whole.subarray(offset, offset + MIB), offset);
    }
    expect(whole.equals(bytes)).toBe(true);
    const piece = Buffer.alloc(100_000);
    await opened?.read(piece, 31_234_567);
    expect(piece.equals(bytes.subarray(31_234_567, 31_334_567))).toBe(true);
  });

  test("that is not trusted names CISTERN_S3_CA", async () => {
    await expect(openS3Store(optionsFor(server, { caFile: undefined }), never)).rejects.toMatchObject({
      code: "invalid-config",
      message: expect.stringMatching(/^CISTERN_S3_CA: the certificate of 127\.0\.0\.1:\d+ is not trusted/),
    });
  });

  test("asked without TLS names CISTERN_S3_ENDPOINT", async () => {
    const endpoint = server.endpoint.replace("https:", "http:");
    await expect(openS3Store(optionsFor(server, { endpoint, waitMs: 300 }), never)).rejects.toMatchObject({
      code: "invalid-config",
      message: expect.stringMatching(/^CISTERN_S3_ENDPOINT: .*is it https/),
    });
  });
});

describe("options of an S3 store", () => {
  const good: S3Options = {
    endpoint: "http://127.0.0.1:1",
    bucket: "bucket",
    accessKey: "key",
    secretKey: "secret",
    region: "us-east-1",
    pathStyle: true,
    waitMs: 0,
  };

  test.each<[string, Partial<S3Options>]>([
    ["ENDPOINT", { endpoint: "minio:9000" }],
    ["ENDPOINT", { endpoint: "ftp://minio" }],
    ["ENDPOINT", { endpoint: "http://minio/bucket" }],
    ["ENDPOINT", { endpoint: "http://key:secret@minio" }],
    ["BUCKET", { bucket: "Bucket" }],
    ["BUCKET", { bucket: "ab" }],
    ["BUCKET", { bucket: "10.0.0.1" }],
    ["ACCESS_KEY", { accessKey: "" }],
    ["SECRET_KEY", { secretKey: "" }],
    ["REGION", { region: "" }],
    ["PART_BYTES", { partBytes: 5 * MIB }],
    ["CA", { caFile: "/nowhere/ca.pem" }],
  ])("that are wrong name CISTERN_S3_%s", async (name, changes) => {
    await expect(openS3Store({ ...good, ...changes }, never)).rejects.toMatchObject({
      code: "invalid-config",
      message: expect.stringMatching(new RegExp(`^CISTERN_S3_${name}: `)),
    });
  });

  test("put the bucket into the path, or in front of the host", async () => {
    for (const [pathStyle, url] of [
      [true, /^http:\/\/s3\.test:9000\/bucket\/key\?/],
      [false, /^http:\/\/bucket\.s3\.test:9000\/key\?/],
    ] as const) {
      const settings = settingsOf({ ...good, endpoint: "http://s3.test:9000", pathStyle });
      using session = await S3Session.create(settings, undefined);
      expect((await session.sign("GET", "key")).href).toMatch(url);
    }
  });

  test("a file without a certificate names CISTERN_S3_CA", async () => {
    await using directory = await temporaryDirectory();
    const caFile = join(directory.path, "ca.pem");
    await writeFile(caFile, "nothing");
    await expect(openS3Store({ ...good, caFile }, never)).rejects.toMatchObject({
      message: "CISTERN_S3_CA: the file holds no PEM certificate",
    });
  });
});

/** Shows what JSON leaves out of an error. */
function everything(_: string, value: unknown): unknown {
  if (!(value instanceof Error)) return value;
  return { ...value, message: value.message, stack: value.stack, cause: value.cause };
}
