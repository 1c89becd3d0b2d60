import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { LAUNCHER, runCli } from "../cli/run-cli.ts";
import { startProgram } from "../support/child-program.ts";
import { type CisternProcess, startCistern } from "../support/cistern-process.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { freePort } from "../support/free-port.ts";
import { ask } from "../support/http-client.ts";
import { requirePostgres, startPostgres, type TestPostgres } from "../support/postgres.ts";
import { registerImage } from "../support/register-image.ts";
import { hasMinio, type S3Server, startMinio } from "../support/s3-servers.ts";
import { newTarget, objectsOf, openTarget, replicaOf, type TargetEnvironment } from "./support/cluster-target.ts";
import { storedFiles, upload } from "./support/embedded-source.ts";

const MIB = 2 ** 20;
const READY_MS = 90_000;
const ADMIN = "cst_an-admin-token-for-tests-only-0123456789";
const IMAGE = { size: 40 * MIB + 77, seed: "image" };
const SMALL = { size: 1234, seed: "small" };
const UPLOADED = randomBytes(2 * MIB);
const headers = { "X-Auth-Token": ADMIN };
const never = new AbortController().signal;

let folder: string;
let origin: FaultOrigin;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-rebuild-"));
  origin = await startFaultOrigin();
  origin.serve("/image", IMAGE, {});
  origin.serve("/small", SMALL, {});
});
afterAll(async () => {
  await origin[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** Reads one image by its record, one without a checksum, and uploads: three contents are in the store then. */
async function use(cistern: CisternProcess): Promise<void> {
  const image = await registerImage(cistern, "image", { url: origin.url("/image"), sha256: digestOf(IMAGE) });
  const small = await registerImage(cistern, "small", { url: origin.url("/small") });
  for (const { url } of [image, small]) expect((await ask(url, { headers })).status).toBe(200);
  await upload(asking(cistern), "uploaded", UPLOADED);
}

function asking({ url }: CisternProcess): Parameters<typeof upload>[0] {
  return (method, path, options) =>
    ask(`${url}${path}`, { ...options, method, headers: { ...options?.headers, ...headers } });
}

/** After the catalog is lost: what is registered anew fetches once, then joins what is kept. */
async function useAgain(cistern: CisternProcess, objects: () => Promise<readonly string[]>): Promise<void> {
  const before = await objects();
  const fetched = origin.requests("/image").length;
  const { url } = await registerImage(cistern, "again", { url: origin.url("/image"), sha256: digestOf(IMAGE) });
  const first = await ask(url, { headers });
  expect([first.status, digestOf(first.body)]).toEqual([200, digestOf(IMAGE)]);
  expect(first.headers["cache-status"]).toContain("fwd=miss");
  expect(origin.requests("/image")).toHaveLength(fetched + 1);
  await expect
    .poll(async () => (await ask(url, { headers, method: "HEAD" })).headers["cache-status"], { timeout: 10_000 })
    .toContain("hit");
  const path = await upload(asking(cistern), "uploaded again", UPLOADED);
  const answer = await ask(`${cistern.url}${path}`, { headers });
  expect(digestOf(answer.body)).toBe(digestOf(UPLOADED));
  expect(origin.requests("/image")).toHaveLength(fetched + 1);
  await expect.poll(objects, { timeout: 10_000 }).toEqual(before);
}

describe.skipIf(!requirePostgres() || !hasMinio)("cistern rebuild, from a real MinIO to a real Postgres", () => {
  let postgres: TestPostgres;
  let s3: S3Server;
  let target: TargetEnvironment;
  let stack: AsyncDisposableStack;

  beforeAll(async () => {
    [postgres, s3] = await Promise.all([startPostgres(), startMinio()]);
  }, 240_000);
  afterAll(async () => {
    await Promise.all([postgres?.[Symbol.asyncDispose](), s3?.[Symbol.asyncDispose]()]);
  });
  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    target = await newTarget(postgres, s3);
    await using replica = await startReplica();
    await use(replica);
    await replica.kill("SIGTERM");
    // The catalog is lost.
    target = { ...target, DATABASE_URL: await postgres.createDatabase() };
  }, 240_000);
  afterEach(() => stack.disposeAsync());

  const rebuild = (...args: string[]) => runCli(["rebuild", ...args], { env: target });
  const startReplica = async () =>
    startCistern({
      dataDir: await mkdtemp(join(folder, "replica-")),
      env: replicaOf(target, ADMIN, `127.0.0.1:${await freePort()}`),
      readyMs: READY_MS,
    });

  test("needs to be told that the other catalog is lost; then every content has its row, and is used again", async () => {
    const opened = await openTarget(target, stack);
    const objects = await objectsOf(opened.bucket);
    expect(objects).toHaveLength(3);
    const refused = await rebuild();
    expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining("--take-over") });
    await expect(startReplica()).rejects.toThrow("belongs to another catalog");
    const dry = await rebuild("--take-over", "--dry-run");
    expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining("3 contents have no row") });
    expect(await opened.catalog.contents.use()).toMatchObject({ count: 0 });

    const done = await rebuild("--take-over");
    expect(done).toMatchObject({ code: 0, stdout: expect.stringContaining("3 contents have a row again") });
    expect(done.stderr).toContain("Register the artifacts again");
    const rows = await opened.catalog.contents.leastRecentlyRead(10);
    expect(rows.map(({ object }) => `${object.sha256}/${object.fence}`).sort()).toEqual(objects);
    const image = rows.find(({ size }) => size === IMAGE.size);
    expect(image?.digests).toEqual({
      md5: digestOf(IMAGE, "md5"),
      sha1: digestOf(IMAGE, "sha1"),
      sha256: digestOf(IMAGE),
      sha512: digestOf(IMAGE, "sha512"),
    });
    expect(await rebuild()).toMatchObject({ code: 0, stdout: expect.stringContaining("3 contents had one") });

    await using replica = await startReplica();
    expect(await rebuild()).toMatchObject({ code: 1, stderr: expect.stringContaining("replicas run there") });
    await useAgain(replica, () => objectsOf(opened.bucket));
  }, 240_000);

  test("what is not what its name says is told and left alone; an older generation stands in for it", async () => {
    const opened = await openTarget(target, stack);
    const [image, small] = [digestOf(IMAGE), digestOf(SMALL)];
    const objects = await objectsOf(opened.bucket);
    const put = (sha256: string, fence: number, bytes: Buffer) =>
      opened.bucket.session.call(never, (client, bucket) =>
        client.putObject(bucket, `sha256/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}/${fence}`, bytes),
      );
    await put(image, 5000, Buffer.from("a later generation, and a wrong one"));
    const own = objects.find((name) => name.startsWith(small))?.split("/")[1];
    await put(small, Number(own), Buffer.alloc(SMALL.size));

    const done = await rebuild("--take-over", "--json");
    expect(done.code).toBe(6);
    const lines = done.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    expect(lines.find(({ event }) => event === "end")).toMatchObject({ restored: 2, damaged: [small] });
    expect(lines.at(-1)).toMatchObject({ error: { code: "content-damaged" } });
    const kept = objects.find((name) => name.startsWith(image));
    const rows = await opened.catalog.contents.leastRecentlyRead(10);
    expect(rows.map(({ object }) => `${object.sha256}/${object.fence}`)).toContain(kept);
    expect(await objectsOf(opened.bucket)).toHaveLength(4);
    expect(await opened.catalog.ledger.nextFence()).toBeGreaterThan(5000);
  }, 240_000);

  test("kill -9 in the middle: the next run passes over what has a row", async () => {
    const killed = await startProgram(LAUNCHER, ["rebuild", "--take-over", "--json"], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...target },
    });
    await expect.poll(() => killed.output(), { timeout: 30_000, interval: 5 }).toContain('"restored"');
    await killed.kill("SIGKILL");
    const again = await rebuild("--take-over", "--json");
    const last = JSON.parse(again.stdout.trim().split("\n").at(-1) ?? "");
    expect(last.restored + last.recorded).toBe(3);
    expect(last.recorded).toBeGreaterThan(0);
    await using _ = await startReplica();
  }, 240_000);
});

describe("cistern rebuild, of an embedded server's directory", () => {
  test("a lost catalog/ over a store/ that was kept", async () => {
    const dataDir = await mkdtemp(join(folder, "data-"));
    const env = { CISTERN_ADMIN_TOKEN: ADMIN };
    const rebuild = () => runCli(["rebuild"], { env: { CISTERN_DATA_DIR: dataDir } });
    await using first = await startCistern({ dataDir, env, readyMs: READY_MS });
    await use(first);
    expect(await rebuild()).toMatchObject({ code: 1, stderr: expect.stringContaining("stop that one") });
    await first.kill("SIGTERM");
    const files = await storedFiles(dataDir);
    await rm(join(dataDir, "catalog"), { recursive: true });

    expect(await rebuild()).toMatchObject({ code: 0, stdout: expect.stringContaining("3 contents have a row again") });
    await using second = await startCistern({ dataDir, env, readyMs: READY_MS });
    await useAgain(second, () => storedFiles(dataDir));
    expect(await storedFiles(dataDir)).toEqual(files);
  }, 240_000);

  test("a directory without a store is refused", async () => {
    const none = await runCli(["rebuild"], { env: { CISTERN_DATA_DIR: join(folder, "nothing") } });
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("CISTERN_DATA_DIR: holds no store") });
  });
});
