import { randomBytes, randomInt } from "node:crypto";
import { open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { buffer } from "node:stream/consumers";
import { Client } from "minio";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { bucketContents } from "../support/bucket-contents.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { ask } from "../support/http-client.ts";
import { requirePostgres } from "../support/postgres.ts";
import { registerImage } from "../support/register-image.ts";
import { hasMinio } from "../support/s3-servers.ts";
import { admin, cacheImages, type KnownImage, read } from "./support/many-contents.ts";

const MIB = 1024 * 1024;
const REPLICAS = 3;
/** Bytes that are flipped in all, and how many of these in the store. */
const FLIPS = 1_000;
const IN_STORE = 400;
const IMAGES = 120;

describe.skipIf(!(requirePostgres() && hasMinio))("three replicas whose contents are looked after", () => {
  let directory: Awaited<ReturnType<typeof temporaryDirectory>>;
  let dataDirs: string[];
  let cluster: Cluster;
  let origin: FaultOrigin;

  beforeAll(async () => {
    directory = await temporaryDirectory();
    dataDirs = Array.from({ length: REPLICAS }, (_, number) => join(directory.path, `replica-${number}`));
    origin = await startFaultOrigin();
    cluster = await startCluster({
      replicas: REPLICAS,
      dataDirs,
      env: { CISTERN_ORIGIN_ALLOW: "127.0.0.0/8", CISTERN_SCRUB_RATE: "1GiB", CISTERN_SCRUB_INTERVAL: "PT0S" },
    });
  }, 300_000);
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
    await origin?.[Symbol.asyncDispose]();
    await directory?.[Symbol.asyncDispose]();
  }, 120_000);

  const url = (replica: number) => cluster.replicas[replica]?.url ?? "";

  function minio(): Client {
    const { hostname, port } = new URL(cluster.s3.endpoint);
    const { accessKey, secretKey, region } = cluster.s3;
    return new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey, secretKey, region });
  }

  /** Flips bytes at places of its own each; answers how many. */
  function flip(bytes: Buffer, times: number): number {
    const places = new Set<number>();
    while (places.size < times) places.add(randomInt(bytes.length));
    for (const place of places) bytes[place] = (bytes[place] ?? 0) ^ 0xff;
    return places.size;
  }

  async function flipInStore({ sha256 }: KnownImage, times: number): Promise<number> {
    const { json } = await admin(cluster, 0, "GET", `/v1/contents/${sha256}`);
    const object = await buffer(await minio().getObject(cluster.bucket, json.object));
    const flipped = flip(object, times);
    await minio().putObject(cluster.bucket, json.object, object);
    return flipped;
  }

  async function flipInHotTier(replica: number, { sha256 }: KnownImage, times: number): Promise<number> {
    const top = join(dataDirs[replica] ?? "", "hot", "sha256", sha256.slice(0, 2), sha256.slice(2, 4), sha256);
    const [fence = "none"] = await readdir(top);
    await using file = await open(join(top, fence), "r+");
    const bytes = await file.readFile();
    const flipped = flip(bytes, times);
    await file.write(bytes, 0, bytes.length, 0);
    return flipped;
  }

  async function scrub() {
    const started = await admin(cluster, 1, "POST", "/v1/scrubs");
    const path = `/v1/scrubs/${started.json.id}`;
    await expect
      .poll(async () => (await admin(cluster, 2, "GET", path)).json.finished_at, { timeout: 120_000, interval: 500 })
      .not.toBeNull();
    return (await admin(cluster, 0, "GET", path)).json;
  }

  test("a scrub finds and heals all of 1,000 flipped bytes, in the store and in every hot tier, in one cycle", async () => {
    const sizes = Array.from({ length: IMAGES }, (_, number) => 20_000 + number * 1_000);
    const images = await cacheImages(cluster, origin, sizes);
    // The first third lies damaged in the store, the second in hot tiers, the last in both, each at a place of its own.
    const third = IMAGES / 3;
    const inStore = [...images.slice(0, third), ...images.slice(2 * third)];
    let flipped = 0;
    const damagedObjects = new Set<string>();
    for (const [index, image] of inStore.entries()) {
      const share =
        Math.floor((IN_STORE * (index + 1)) / inStore.length) - Math.floor((IN_STORE * index) / inStore.length);
      flipped += await flipInStore(image, share);
      damagedObjects.add(image.sha256);
    }
    expect(flipped).toBe(IN_STORE);
    const copies = images
      .slice(third)
      .flatMap((image) => Array.from({ length: REPLICAS }, (_, replica) => ({ image, replica })));
    const inHot = FLIPS - IN_STORE;
    for (const [index, { image, replica }] of copies.entries()) {
      const share = Math.floor((inHot * (index + 1)) / copies.length) - Math.floor((inHot * index) / copies.length);
      flipped += await flipInHotTier(replica, image, share);
    }
    expect(flipped).toBe(FLIPS);

    const { state, result } = await scrub();
    expect(state).toBe("done");
    expect(result).toMatchObject({ checked: IMAGES, damaged: damagedObjects.size, healed: damagedObjects.size });
    expect([result.unreadable, result.quarantined]).toEqual([0, []]);
    expect(result.hot.map((part: { state: string }) => part.state)).toEqual(["done", "done", "done"]);
    // Of what was healed in the store every copy is dropped; of the others each damaged one is replaced.
    for (const part of result.hot) expect([part.damaged, part.healed]).toEqual([third, third]);

    // What every tier has now is read as it lies there.
    const listed = await admin(cluster, 0, "GET", "/v1/contents?limit=1000");
    const objects = new Map(
      listed.json.contents.map((one: { sha256: string; object: string }) => [one.sha256, one.object]),
    );
    for (const { sha256, bytes } of images) {
      const object = await buffer(await minio().getObject(cluster.bucket, String(objects.get(sha256))));
      expect(object.equals(bytes)).toBe(true);
    }
    for (const dataDir of dataDirs) {
      for (const path of await readdir(join(dataDir, "hot", "sha256"), { recursive: true, withFileTypes: true })) {
        if (!path.isFile()) continue;
        await using file = await open(join(path.parentPath, path.name));
        expect(path.parentPath.endsWith(digestOf(await file.readFile()))).toBe(true);
      }
    }
    for (const { path, bytes } of images) {
      for (let replica = 0; replica < REPLICAS; replica += 1) {
        expect((await read(cluster, url(replica), path)).body.equals(bytes)).toBe(true);
      }
    }
    expect((await scrub()).result).toMatchObject({ checked: IMAGES, damaged: 0 });
    // Nothing is left behind by what was healed.
    expect((await bucketContents(cluster)).objects.length).toBe(IMAGES);
  }, 300_000);

  test("uploaded bytes that are damaged in the store come back from another replica's hot tier", async () => {
    const bytes = randomBytes(300_000);
    const headers = { "X-Auth-Token": cluster.adminToken };
    const made = await admin(cluster, 0, "POST", "/artifacts/images", {
      name: "uploaded",
      container_format: "bare",
      disk_format: "raw",
    });
    const image = `/artifacts/images/${made.json.id}/image`;
    const type = { ...headers, "Content-Type": "application/octet-stream" };
    expect((await ask(`${url(0)}${image}`, { method: "PUT", headers: type, body: bytes })).status).toBe(200);
    // One replica reads it, and keeps a copy.
    const sha256 = digestOf(bytes);
    expect((await read(cluster, url(2), image)).body.equals(bytes)).toBe(true);
    const known = { bytes, sha256, path: image };
    await expect.poll(async () => (await admin(cluster, 2, "GET", `/v1/contents/${sha256}`)).json.hot).toBe(true);
    await flipInStore(known, 3);
    const { result } = await scrub();
    expect([result.damaged, result.healed, result.quarantined]).toEqual([1, 1, []]);
    expect((await read(cluster, url(0), image)).body.equals(bytes)).toBe(true);
  }, 120_000);

  async function bigImage(name: string, size = 64 * MIB) {
    const bytes = randomBytes(size);
    origin.serve(`/${name}`, bytes);
    const registrar = { url: url(0), adminToken: cluster.adminToken };
    const sha256 = digestOf(bytes);
    // A second try finds the record of the first.
    const once = `${name}-${randomBytes(4).toString("hex")}`;
    const { url: image } = await registerImage(registrar, once, { url: origin.url(`/${name}`), sha256 });
    const path = new URL(image).pathname;
    expect((await read(cluster, url(0), path)).body.equals(bytes)).toBe(true);
    return { bytes, sha256, path };
  }

  /** A reader that takes no more than its first bytes until it may. */
  function paused(replica: number, path: string, until: Promise<void>) {
    const begun = Promise.withResolvers<void>();
    const onData = (_: Buffer, soFar: number) => {
      if (soFar >= MIB) begun.resolve();
      return true;
    };
    const headers = { "X-Auth-Token": cluster.adminToken };
    const answer = ask(`${url(replica)}${path}`, { headers, onData, pause: { at: MIB, until } });
    return { begun: begun.promise, answer };
  }

  test("a purge of what 50 readers on all replicas are reading cuts none, and the bytes go after the last", async () => {
    const { bytes, sha256, path } = await bigImage("purged");
    const { json } = await admin(cluster, 0, "GET", `/v1/contents/${sha256}`);
    const going = Promise.withResolvers<void>();
    const readers = Array.from({ length: 50 }, (_, number) => paused(number % REPLICAS, path, going.promise));
    await Promise.all(readers.map(({ begun }) => begun));
    const started = await admin(cluster, 1, "POST", "/v1/purges", { artifact: path.split("/")[3] });
    const job = `/v1/purges/${started.json.id}`;
    await expect.poll(async () => (await admin(cluster, 0, "GET", job)).json.state, { timeout: 20_000 }).toBe("done");
    expect((await admin(cluster, 0, "GET", `/v1/contents/${sha256}`)).json.state).toBe("condemned");
    going.resolve();
    for (const answer of await Promise.all(readers.map(({ answer }) => answer))) {
      expect([answer.status, answer.complete, answer.body.equals(bytes)]).toEqual([200, true, true]);
    }
    const gone = async () => !(await bucketContents(cluster)).objects.includes(json.object);
    await expect.poll(gone, { timeout: 120_000, interval: 1_000 }).toBe(true);
    const copy = join("hot", "sha256", sha256.slice(0, 2), sha256.slice(2, 4), sha256);
    const copies = () => Promise.all(dataDirs.map((dataDir) => readdir(join(dataDir, copy)).catch(() => [])));
    // They are told that the object is gone after it is.
    await expect.poll(copies, { timeout: 20_000 }).toEqual(dataDirs.map(() => []));
  }, 240_000);

  test("I9: what was purged and is fetched again at once leaves no second object behind", async () => {
    const { sha256, path, bytes } = await bigImage("comes-back", 2 * MIB);
    const row = async () => (await admin(cluster, 0, "GET", `/v1/contents/${sha256}`)).json;
    await expect.poll(async () => (await row()).state, { timeout: 20_000 }).toBe("admitted");
    const before = (await row()).object;
    expect((await admin(cluster, 1, "DELETE", `/v1/contents/${sha256}`)).status).toBe(200);
    expect((await read(cluster, url(2), path)).body.equals(bytes)).toBe(true);
    await expect.poll(async () => (await row()).state, { timeout: 20_000 }).toBe("admitted");
    const after = (await row()).object;
    expect(after).not.toBe(before);
    const objects = async () => (await bucketContents(cluster)).objects.filter((name) => name.includes(sha256));
    expect((await objects()).sort()).toEqual([before, after].sort());
    await expect.poll(objects, { timeout: 120_000, interval: 1_000 }).toEqual([after]);
    expect((await read(cluster, url(1), path)).body.equals(bytes)).toBe(true);
  }, 240_000);

  test("a block cuts its readers on all replicas within a second, and outlives the content", async () => {
    const { sha256, path, bytes } = await bigImage("blocked");
    for (let replica = 0; replica < REPLICAS; replica += 1) await read(cluster, url(replica), path);
    const going = Promise.withResolvers<void>();
    const readers = Array.from({ length: 9 }, (_, number) => paused(number % REPLICAS, path, going.promise));
    await Promise.all(readers.map(({ begun }) => begun));
    const began = Date.now();
    const cuts = readers.map(async ({ answer }) => ({ answer: await answer, after: Date.now() - began }));
    expect((await admin(cluster, 1, "PUT", `/v1/contents/${sha256}/block`, { reason: "recalled" })).status).toBe(200);
    // Who takes nothing hears of the reset only when it takes something again.
    going.resolve();
    for (const { answer, after } of await Promise.all(cuts)) {
      expect([answer.complete, answer.body.length < bytes.length, after < 1_000]).toEqual([false, true, true]);
    }
    for (let replica = 0; replica < REPLICAS; replica += 1) {
      expect((await read(cluster, url(replica), path)).status).toBe(403);
    }
    expect((await admin(cluster, 2, "DELETE", `/v1/contents/${sha256}`)).status).toBe(200);
    const fetches = origin.requests("/blocked").length;
    for (let replica = 0; replica < REPLICAS; replica += 1) {
      expect((await read(cluster, url(replica), path)).status).toBe(403);
    }
    expect(origin.requests("/blocked").length).toBe(fetches);
    expect((await admin(cluster, 0, "DELETE", `/v1/contents/${sha256}/block`)).status).toBe(204);
    const again = async () => (await read(cluster, url(2), path)).body.equals(bytes);
    await expect.poll(again, { timeout: 10_000 }).toBe(true);
  }, 120_000);
});
