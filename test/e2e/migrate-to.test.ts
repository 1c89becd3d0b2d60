import { cp, mkdtemp, rm, truncate, unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { openDatabase } from "../../src/catalog/open-catalog.ts";
import { Session } from "../../src/catalog/session.ts";
import { newArtifact } from "../catalog/records.ts";
import { LAUNCHER, runCli } from "../cli/run-cli.ts";
import { startProgram } from "../support/child-program.ts";
import { startCistern } from "../support/cistern-process.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { freePort } from "../support/free-port.ts";
import { ask } from "../support/http-client.ts";
import { requirePostgres, startPostgres, type TestPostgres } from "../support/postgres.ts";
import { hasMinio, type S3Server, startMinio } from "../support/s3-servers.ts";
import {
  newTarget,
  objectsOf,
  openTarget,
  readBack,
  replicaOf,
  type TargetEnvironment,
} from "./support/cluster-target.ts";
import { fillSource, SETTINGS, type SourceRecords, storedFiles } from "./support/embedded-source.ts";

const END = z.looseObject({
  event: z.literal("end"),
  state: z.string(),
  contents: z.record(z.string(), z.object({ count: z.number(), bytes: z.number() })),
  lost: z.object({ count: z.number(), bytes: z.number() }),
});
const CONTENTS = 5;
const READY_MS = 90_000;

const ready = requirePostgres() && hasMinio;

describe.skipIf(!ready)("cistern migrate-to, from a real embedded directory to a real Postgres and MinIO", () => {
  let folder: string;
  let postgres: TestPostgres;
  let s3: S3Server;
  let origin: FaultOrigin;
  let records: SourceRecords;
  /** A copy of the source, for each test. */
  let dataDir: string;
  let target: TargetEnvironment;
  let stack: AsyncDisposableStack;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cistern-migrate-"));
    [postgres, s3, origin] = await Promise.all([startPostgres(), startMinio(), startFaultOrigin()]);
    records = await fillSource(join(folder, "template"), origin);
  }, 180_000);
  afterAll(async () => {
    await Promise.all([postgres, s3, origin].map((one) => one?.[Symbol.asyncDispose]()));
    await rm(folder, { recursive: true, force: true });
  });
  beforeEach(async () => {
    stack = new AsyncDisposableStack();
    dataDir = await mkdtemp(join(folder, "data-"));
    await cp(join(folder, "template"), dataDir, { recursive: true });
    target = await newTarget(postgres, s3);
  });
  afterEach(() => stack.disposeAsync());

  const migrate = (...args: string[]) => runCli(["migrate-to", "--from", dataDir, ...args], { env: target });
  const change = async (statement: string) => {
    const database = await openDatabase({ directory: join(dataDir, "catalog") });
    await new Session(database, 30_000).query((db) => db.execute(sql.raw(statement)));
    await database.close();
  };
  const end = (stdout: string) => END.parse(JSON.parse(stdout.trim().split("\n").at(-1) ?? ""));
  const startReplica = async () =>
    stack.use(
      await startCistern({
        dataDir: await mkdtemp(join(folder, "replica-")),
        env: replicaOf(target, records.adminToken, `127.0.0.1:${await freePort()}`),
        readyMs: READY_MS,
      }),
    );

  test("moves everything, leaves the directory alone, and changes nothing the second time", async () => {
    const before = await storedFiles(dataDir);
    const dry = await migrate("--dry-run");
    expect(dry).toMatchObject({ code: 0, stdout: expect.stringContaining(`to be copied: ${CONTENTS} contents`) });
    const opened = await openTarget(target, stack);
    expect(await objectsOf(opened.bucket)).toEqual([]);

    const moved = await migrate();
    expect(moved).toMatchObject({
      code: 0,
      stdout: expect.stringContaining(`copied and verified: ${CONTENTS} contents`),
    });
    expect(moved.stderr).toContain("CISTERN_CLUSTER_SECRET");
    expect(moved.stdout).toContain("the limit of the cache, 10 GiB, is the bucket's");
    expect(moved.stdout).toContain("the limit of the spool, 3 GiB, is left");
    expect(moved.stdout + moved.stderr).not.toContain(target.CISTERN_S3_SECRET_KEY);
    for (const [path, sha256] of [...records.cached, ...records.uploaded]) {
      expect(await readBack(opened, path)).toBe(sha256);
    }
    expect(await readBack(opened, records.cold)).toBeUndefined();
    expect(await storedFiles(dataDir)).toEqual(before);
    const objects = await objectsOf(opened.bucket);
    expect(objects).toEqual(before.map((file) => file.split("/").slice(-2).join("/")).sort());

    const again = end((await migrate("--json")).stdout);
    expect(again).toMatchObject({ state: "done", contents: { copied: { count: 0 }, present: { count: CONTENTS } } });
    const verified = end((await migrate("--json", "--verify")).stdout);
    expect(verified).toMatchObject({ state: "done", contents: { verified: { count: CONTENTS } } });
    expect(await objectsOf(opened.bucket)).toEqual(objects);
  }, 240_000);

  test("a replica then serves all of it to the same tokens, without a fetch; a move after that is refused", async () => {
    expect(await migrate()).toMatchObject({ code: 0 });
    const fetched = origin.requests().length;
    const replica = await startReplica();
    const headers = { "X-Auth-Token": records.adminToken };
    for (const [path, sha256] of [...records.cached, ...records.uploaded]) {
      const answer = await ask(`${replica.url}${path}`, { headers });
      expect([answer.status, digestOf(answer.body)]).toEqual([200, sha256]);
    }
    expect(origin.requests()).toHaveLength(fetched);
    const [shown = ""] = records.cached.keys();
    const [hidden = ""] = records.uploaded.keys();
    const own = { "X-Auth-Token": records.token };
    expect((await ask(`${replica.url}${shown}`, { headers: own, method: "HEAD" })).status).toBe(200);
    expect((await ask(`${replica.url}${hidden}`, { headers: own, method: "HEAD" })).status).toBe(404);
    const draft = await ask(`${replica.url}${records.draft}`, { headers });
    expect(JSON.parse(String(draft.body))).toMatchObject({ name: "draft", status: "drafted" });
    const get = async (path: string) => JSON.parse(String((await ask(`${replica.url}${path}`, { headers })).body));
    const capacity = await get("/v1/capacity");
    expect(capacity.settings).toMatchObject({ ...SETTINGS.capacity, spool_bytes: null });
    expect(await get("/v1/policies")).toMatchObject(SETTINGS.policy);
    expect(await get("/quotas")).toMatchObject({ quotas: SETTINGS.quotas });
    expect((await get(`/v1/contents/${records.cached.get(shown)}`)).pin).toMatchObject(SETTINGS.pin);
    expect((await get("/v1/blocks")).blocks).toMatchObject([{ sha256: SETTINGS.blocked }]);
    // New fences are above those that came along.
    expect((await ask(`${replica.url}${records.cold}`, { headers })).status).toBe(200);

    expect(await migrate()).toMatchObject({ code: 1, stderr: expect.stringContaining("replicas run there") });
    await replica.kill("SIGTERM");
    const late = await migrate();
    expect(late).toMatchObject({ code: 1, stderr: expect.stringContaining("replicas have been started since") });
  }, 240_000);

  test("kill -9 in the middle: no replica starts on half of it, and the next run goes on", async () => {
    const killed = await startProgram(LAUNCHER, ["migrate-to", "--from", dataDir, "--json"], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...target },
    });
    await expect.poll(() => killed.output(), { timeout: 30_000, interval: 5 }).toContain('"outcome"');
    await killed.kill("SIGKILL");
    await expect(startReplica()).rejects.toThrow("cistern migrate-to");
    const opened = await openTarget(target, stack);
    expect(await opened.catalog.contents.use()).toMatchObject({ count: 0 });
    const { state, contents } = end((await migrate("--json")).stdout);
    expect(state).toBe("done");
    expect(contents.present?.count).toBeGreaterThan(0);
    for (const [path, sha256] of [...records.cached, ...records.uploaded]) {
      expect(await readBack(opened, path)).toBe(sha256);
    }
    await startReplica();
  }, 240_000);

  test("Ctrl-C is no failure: it says how to go on", async () => {
    const interrupted = await startProgram(LAUNCHER, ["migrate-to", "--from", dataDir, "--json"], {
      env: { PATH: process.env.PATH, HOME: process.env.HOME, ...target },
    });
    await expect.poll(() => interrupted.output(), { timeout: 30_000, interval: 5 }).toContain('"begin"');
    expect(await interrupted.kill("SIGINT")).toMatchObject({ code: 130 });
    expect(interrupted.output()).toContain("run the same command again");
    expect(end((await migrate("--json")).stdout)).toMatchObject({ state: "done" });
  }, 240_000);

  test("damaged files: what is cached is left out, what was uploaded stops it until it is given up", async () => {
    const fileOf = async (sha256: string | undefined) =>
      (await storedFiles(dataDir)).find((file) => sha256 !== undefined && file.includes(sha256)) ?? "";
    const [large, small] = records.cached.keys();
    const [first, second] = records.uploaded.keys();
    if (large === undefined || small === undefined || first === undefined || second === undefined) throw new Error();
    await unlink(await fileOf(records.cached.get(large)));
    await truncate(await fileOf(records.cached.get(small)), 10);
    await writeFile(await fileOf(records.uploaded.get(first)), Buffer.from([0xff]), { flag: "r+" });
    // Found by a scrub already, and delivered by no origin any more.
    await change(`update contents set state = 'quarantined' where sha256 = '${records.uploaded.get(first)}'`);
    await change(`update contents set irreplaceable_since = now() where sha256 = '${records.cached.get(small)}'`);

    const stopped = await migrate();
    expect(stopped).toMatchObject({ code: 6, stderr: expect.stringContaining("--skip-damaged") });
    expect(stopped.stderr).toContain(`${records.uploaded.get(first)} does not have its sha256 (uploaded bytes)`);
    expect(stopped.stderr).toContain("(cached, no origin delivers it any more)");
    expect(stopped.stderr).toContain("2 contents that nothing else has are missing or damaged");
    const opened = await openTarget(target, stack);
    expect(await opened.catalog.contents.use()).toMatchObject({ count: 0 });

    const { state, contents, lost } = end((await migrate("--json", "--skip-damaged")).stdout);
    expect([state, contents.damaged?.count, contents.present?.count, lost.count]).toEqual(["done", 3, 2, 2]);
    expect(await readBack(opened, second)).toBe(records.uploaded.get(second));
    for (const path of [large, small, first]) expect(await readBack(opened, path)).toBeUndefined();
    const replica = await startReplica();
    const headers = { "X-Auth-Token": records.adminToken };
    const fetched = await ask(`${replica.url}${large}`, { headers });
    expect([fetched.status, digestOf(fetched.body)]).toEqual([200, records.cached.get(large)]);
    expect((await ask(`${replica.url}${first}`, { headers })).status).toBe(404);
  }, 240_000);

  test("what is damaged in the bucket is found by --verify, and copied again", async () => {
    expect(await migrate()).toMatchObject({ code: 0 });
    const opened = await openTarget(target, stack);
    const [path = "", sha256 = ""] = [...records.uploaded][0] ?? [];
    const name = (await objectsOf(opened.bucket)).find((object) => object.startsWith(sha256)) ?? "";
    const key = `sha256/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${name}`;
    const wrong = Buffer.alloc(3 * 2 ** 20);
    await opened.bucket.session.call(new AbortController().signal, (client, bucket) =>
      client.putObject(bucket, key, wrong),
    );
    expect(await readBack(opened, path)).not.toBe(sha256);
    const { contents } = end((await migrate("--json", "--verify")).stdout);
    expect([contents.copied?.count, contents.verified?.count]).toEqual([1, CONTENTS - 1]);
    expect(await readBack(opened, path)).toBe(sha256);
  }, 240_000);

  test("is refused while the server runs, without a target, and for a directory that is none", async () => {
    await using running = await startCistern({ dataDir, readyMs: READY_MS });
    expect(await migrate()).toMatchObject({ code: 1, stderr: expect.stringContaining("stop that one") });
    await running.kill("SIGTERM");
    const bare = await runCli(["migrate-to", "--from", dataDir]);
    expect(bare.code).toBe(2);
    for (const name of ["DATABASE_URL", "CISTERN_S3_ENDPOINT", "CISTERN_S3_BUCKET", "CISTERN_S3_ACCESS_KEY"]) {
      expect(bare.stderr).toContain(`${name}: must be set: it says where`);
    }
    expect(bare.stderr).not.toContain("CISTERN_REPLICA_URL");
    const none = await runCli(["migrate-to", "--from", folder], { env: target });
    expect(none).toMatchObject({ code: 2, stderr: expect.stringContaining("--from: holds no catalog") });
  }, 240_000);

  test("is refused where something else is: a database in use, another catalog's bucket, another directory's move", async () => {
    const used = await openTarget(target, stack);
    const { id } = await used.catalog.artifacts.create(newArtifact());
    expect(await migrate()).toMatchObject({ code: 1, stderr: expect.stringContaining("holds records already") });
    await used.catalog.artifacts.remove(id);
    expect(await migrate()).toMatchObject({ code: 0 });

    const otherDatabase = { ...target, DATABASE_URL: await postgres.createDatabase() };
    const bucket = await runCli(["migrate-to", "--from", dataDir], { env: otherDatabase });
    expect(bucket).toMatchObject({ code: 1, stderr: expect.stringContaining("belongs to another catalog") });

    const other = await mkdtemp(join(folder, "other-"));
    await using app = await startCistern({ dataDir: other, readyMs: READY_MS });
    await app.kill("SIGTERM");
    const second = await runCli(["migrate-to", "--from", other], { env: target });
    expect(second).toMatchObject({ code: 1, stderr: expect.stringContaining("something else was moved there") });
  }, 240_000);
});
