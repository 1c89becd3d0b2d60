import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type BenchBlob, benchBlob, MIB } from "../bench/blob.ts";
import { buildLoad, type HerdResult, herd } from "../bench/load-program.ts";
import { BenchOrigin } from "../bench/origin.ts";
import { bucketContents } from "../support/bucket-contents.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { requirePostgres } from "../support/postgres.ts";
import { requireProgram } from "../support/programs.ts";
import { registerImage } from "../support/register-image.ts";
import { hasMinio } from "../support/s3-servers.ts";

const able = requirePostgres() && hasMinio && requireProgram("go");
const SIZE = 256 * MIB;
const CLIENTS = 200;
const SECONDS = 12;

describe.skipIf(!able)("three replicas over one Postgres and one MinIO, 200 clients on one cold blob", () => {
  let cluster: Cluster;
  let origin: BenchOrigin;
  let blob: BenchBlob;
  let image: string;
  let sequence = 0;

  beforeAll(async () => {
    await buildLoad();
    origin = await BenchOrigin.start();
    cluster = await startCluster({ env: { CISTERN_DRAIN_TIME: "PT90S", CISTERN_DRAIN_DELAY: "PT1S" } });
  }, 300_000);
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await origin?.[Symbol.asyncDispose]();
  }, 300_000);

  beforeEach(async () => {
    sequence += 1;
    blob = benchBlob(`cluster-${sequence}`, SIZE);
    await origin.setRule(blob.path, { hold: true, totalRate: Math.round(SIZE / SECONDS) });
    const { sha256 } = await blob.digests();
    const registered = await registerImage(replica(0), blob.seed, { url: origin.url + blob.path, sha256 });
    image = new URL(registered.url).pathname;
  });

  function replica(number: number) {
    const found = cluster.replicas[number];
    if (found === undefined) throw new Error(`there is no replica ${number}`);
    return found;
  }

  /** The herd, spread over these replicas; the origin answers when everybody has asked. */
  function run(replicas: readonly number[] = [0, 1, 2], clients = CLIENTS): Promise<HerdResult> {
    return herd({
      targets: replicas.map((number) => ({
        url: replica(number).url + image,
        headers: { "X-Auth-Token": cluster.adminToken },
        seed: blob.seed,
        size: blob.size,
      })),
      clients,
      settleMs: 2_000,
      origin: origin.url,
      release: [blob.path],
      timeoutMs: 180_000,
    });
  }

  /** Resolves when the origin has sent this share of the blob. */
  async function fetched(share: number): Promise<void> {
    await expect
      .poll(async () => (await origin.stats(blob.path)).bytes, { timeout: 60_000, interval: 50 })
      .toBeGreaterThanOrEqual(SIZE * share);
  }

  /** The replica that fetches from the origin: the one that says so. */
  function holder(): number {
    const name = `${blob.path}"`;
    const found = cluster.replicas.findIndex((each) =>
      each
        .output()
        .split("\n")
        .some((line) => line.includes('"event":"fill-started"') && line.includes(name)),
    );
    if (found < 0) throw new Error("nobody fetches");
    return found;
  }

  async function expectOneObject(): Promise<void> {
    const { sha256 } = await blob.digests();
    const objects = async () => (await bucketContents(cluster)).objects.filter((name) => name.includes(sha256)).length;
    await expect.poll(objects, { timeout: 60_000 }).toBe(1);
    await expect.poll(async () => (await bucketContents(cluster)).uploads, { timeout: 60_000 }).toEqual([]);
  }

  test("I3: one fetch, 200 right answers, one object, no upload left", async () => {
    const result = await run();
    expect([result.complete, result.failures]).toEqual([CLIENTS, []]);
    const { requests, bytes } = await origin.stats(blob.path);
    expect([requests, bytes]).toEqual([1, SIZE]);
    await expectOneObject();
  }, 240_000);

  test("the holder is killed half way: everybody else finishes, and little is fetched again", async () => {
    const running = run();
    await fetched(0.5);
    const killed = holder();
    await replica(killed).kill("SIGKILL");
    const result = await running;
    const others = result.clients.filter(({ target }) => target !== killed);
    expect(others.filter(({ complete }) => !complete).map(({ failure }) => failure)).toEqual([]);
    expect((await origin.stats(blob.path)).bytes / SIZE).toBeLessThanOrEqual(1.15);
    await cluster.restart(killed);
    await expectOneObject();
  }, 240_000);

  test("Postgres is restarted meanwhile: nobody notices, and the content is admitted", async () => {
    const running = run();
    await fetched(0.4);
    await cluster.postgres.stop();
    await delay(2_000);
    await cluster.postgres.start();
    const result = await running;
    expect([result.complete, result.failures]).toEqual([CLIENTS, []]);
    expect((await origin.stats(blob.path)).requests).toBe(1);
    await expectOneObject();
  }, 240_000);

  test("MinIO is away for 10 s meanwhile: nobody notices, and the content is kept", async () => {
    const running = run();
    await fetched(0.3);
    await cluster.s3.stop();
    await delay(10_000);
    await cluster.s3.start();
    const result = await running;
    expect([result.complete, result.failures]).toEqual([CLIENTS, []]);
    expect((await origin.stats(blob.path)).requests).toBe(1);
    await expectOneObject();
  }, 240_000);

  test("a rolling restart meanwhile drops nothing", async () => {
    const running = run();
    await fetched(0.2);
    for (const number of [0, 1, 2]) {
      const before = replica(number);
      const exit = await before.kill("SIGTERM");
      expect(exit.code).toBe(0);
      await cluster.restart(number);
    }
    const result = await running;
    expect([result.complete, result.failures]).toEqual([CLIENTS, []]);
    expect((await origin.stats(blob.path)).bytes).toBe(SIZE);
    await expectOneObject();
  }, 300_000);
});
