import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { digestOf } from "../../support/fault-origin.ts";
import { requirePostgres } from "../../support/postgres.ts";
import { hasMinio } from "../../support/s3-servers.ts";
import { startTcpProxy } from "../../support/tcp-proxy.ts";
import { expectWhole, see, startTwoReplicas, type TwoReplicas } from "../support/two-replicas.ts";

const MIB = 1024 * 1024;
/** Records are taken for fresh for so long; the rest is for a machine that is busy. */
const FRESH_MS = 30_000;
const SLACK_MS = 10_000;

describe.skipIf(!(requirePostgres() && hasMinio))("two replicas, and connections that lead nowhere", () => {
  let two: TwoReplicas;

  beforeAll(async () => {
    two = await startTwoReplicas();
  }, 120_000);
  afterAll(async () => {
    await two?.[Symbol.asyncDispose]();
  }, 60_000);

  test("a holder that stands still is taken over from, and goes on as a reader when it wakes", async () => {
    const content = { seed: "a holder stands still", size: 96 * MIB };
    const path = await two.register("standing-still", content);
    two.origin.behave("/standing-still.img", { rate: 6 * MIB });
    const readers = (replica: number) => Promise.all([1, 2, 3].map(() => two.read(replica, path)));
    const ofHolder = readers(0);
    await two.origin.requested("/standing-still.img");
    const ofOther = readers(1);
    const sent = () => two.origin.bytesSent("/standing-still.img");
    await expect.poll(sent, { timeout: 30_000 }).toBeGreaterThan(24 * MIB);
    expect([two.events(0, "fill-started"), two.events(1, "fill-relayed")]).toEqual([1, 1]);
    const holder = two.replica(0).pid;
    process.kill(holder, "SIGSTOP");
    try {
      const over = () => two.events(1, "fill-started");
      await expect.poll(over, { timeout: 60_000, interval: 100 }).toBe(1);
    } finally {
      process.kill(holder, "SIGCONT");
    }
    for (const seen of await ofOther) expectWhole(seen, content);
    for (const seen of await ofHolder) expectWhole(seen, content);
    // Fetched on from where it stood. The kernel takes some megabytes more for whoever stands still.
    const ranges = two.origin.requests("/standing-still.img").map(({ headers }) => headers.range);
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d{8,}-$/)]);
    expect(sent() / content.size).toBeLessThanOrEqual(1.25);
    // What the one that stood still had sent to the bucket is gone: one object, one row, no upload.
    await two.nothingLeft();
    expect(await two.query(`select sha256 from contents where state = 'admitted'`)).toEqual([digestOf(content)]);
    for (const replica of [0, 1]) expectWhole(await two.read(replica, path), content);
  }, 180_000);

  test("a lost connection that listens for changes costs 30 s at most, and is replaced", async () => {
    await using proxy = await startTcpProxy(two.cluster.postgres.port);
    await two.replica(1).kill("SIGTERM");
    const url = new URL(two.cluster.env(1).DATABASE_URL ?? "");
    url.port = String(proxy.port);
    await two.cluster.restart(1, { DATABASE_URL: url.href });
    const [first, second] = [
      { seed: "first", size: MIB },
      { seed: "second", size: MIB },
    ];
    const firstPath = await two.register("first", first);
    const secondPath = await two.register("second", second);
    for (const path of [firstPath, secondPath]) {
      expect((await two.read(0, path)).status).toBe(200);
      expect((await two.read(1, path)).status).toBe(200);
    }
    proxy.freeze();
    proxy.thaw();
    const began = performance.now();
    await remove(firstPath);
    const status = async () => (await two.read(1, firstPath)).status;
    await expect.poll(status, { timeout: FRESH_MS + SLACK_MS }).toBe(404);
    // It is asked for a sign of life every 10 s, and gets as long to give it.
    await expect.poll(() => performance.now() - began, { timeout: 40_000, interval: 500 }).toBeGreaterThan(22_000);
    expectWhole(await two.read(1, secondPath), second);
    const changed = performance.now();
    await remove(secondPath);
    await expect.poll(async () => (await two.read(1, secondPath)).status, { timeout: FRESH_MS / 2 }).toBe(404);
    expect(performance.now() - changed).toBeLessThan(FRESH_MS / 2);
    await expect.poll(() => two.readiness(1), { timeout: 20_000 }).toMatchObject({ bare: "200 ok" });
    await two.nothingLeft();
  }, 180_000);

  async function remove(path: string): Promise<void> {
    const url = two.replica(0).url + path.replace(/\/image$/, "");
    expect((await see(url, two.cluster.adminToken, { method: "DELETE" })).status).toBe(204);
  }
});
