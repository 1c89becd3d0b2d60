import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requirePostgres } from "../../support/postgres.ts";
import { hasMinio } from "../../support/s3-servers.ts";
import {
  expectRefused,
  expectWhole,
  type Seen,
  see,
  startTwoReplicas,
  type TwoReplicas,
} from "../support/two-replicas.ts";

const MIB = 1024 * 1024;
/** A machine that is busy with other things makes all of it slow; what hangs takes as long as its client waits. */
const SOON_MS = 3_000;
const BOUNDED_MS = 15_000;

const OUTAGES = {
  "is stopped": {
    begin: (two: TwoReplicas) => two.cluster.postgres.stop(),
    end: (two: TwoReplicas) => two.cluster.postgres.start(),
    // Longer than tokens are taken for fresh.
    lastsMs: 11_000,
  },
  hangs: {
    begin: async (two: TwoReplicas) => two.cluster.postgres.pause(),
    end: async (two: TwoReplicas) => two.cluster.postgres.resume(),
    // Longer than records are, too.
    lastsMs: 31_000,
  },
};

describe.skipIf(!(requirePostgres() && hasMinio))("two replicas whose Postgres goes away", () => {
  let two: TwoReplicas;

  beforeAll(async () => {
    two = await startTwoReplicas();
  }, 120_000);
  afterAll(async () => {
    await two?.[Symbol.asyncDispose]();
  }, 60_000);

  const both = <T>(ask: (replica: number) => Promise<T>): Promise<T[]> => Promise.all([ask(0), ask(1)]);

  test.each(Object.entries(OUTAGES))(
    "Postgres %s: what goes on, what does not, and afterwards",
    async (how, outage) => {
      const content = (name: string, size: number) => ({ seed: `${name} ${how}`, size });
      const [hot, cold] = [content("hot", 3 * MIB), content("cold", 2 * MIB)];
      const [running, unrecorded] = [content("running", 24 * MIB), content("unrecorded", 4 * MIB)];
      const name = (what: string) => `${what}-${how.replace(" ", "-")}`;
      const hotPath = await two.register(name("hot"), hot);
      const coldPath = await two.register(name("cold"), cold);
      const runningPath = await two.register(name("running"), running);
      const unrecordedPath = await two.register(name("unrecorded"), unrecorded, "nothing");
      const half = Promise.withResolvers<void>();
      two.origin.behave(`/${name("running")}.img`, { hold: { at: 12 * MIB, until: half.promise } });
      two.origin.behave(`/${name("unrecorded")}.img`, { hold: { at: 2 * MIB, until: half.promise } });
      for (const seen of await both((replica) => two.read(replica, hotPath))) expectWhole(seen, hot);
      const relayed = two.events(1, "fill-relayed");

      const readers = [readersOf(0, runningPath, 12 * MIB)];
      await readers[0]?.halfWay;
      readers.push(readersOf(1, runningPath, 12 * MIB));
      await readers[1]?.halfWay;
      expect(two.events(1, "fill-relayed")).toBe(relayed + 1);
      const firstRead = readersOf(0, unrecordedPath, 1 * MIB);
      await firstRead.halfWay;

      await outage.begin(two);
      try {
        await hotGoesOn(hotPath, hot);
        half.resolve();
        const ended = Promise.all(readers.map(({ done }) => done));
        const [seenOfRunning] = await Promise.all([ended, restDoesNot(hotPath, coldPath), delay(outage.lastsMs)]);
        for (const seen of seenOfRunning.flat()) expectWhole(seen, running);
        await hotGoesOn(hotPath, hot);
        for (const seen of await both((replica) => two.read(replica, coldPath))) {
          expectRefused(seen, "catalog-unavailable", BOUNDED_MS);
        }
      } finally {
        half.resolve();
        await outage.end(two);
      }
      // Without a recorded digest the row is the verdict: its readers had to wait for it.
      for (const seen of await firstRead.done) expectWhole(seen, unrecorded);
      for (const replica of [0, 1]) {
        await expect.poll(() => two.readiness(replica), { timeout: 30_000 }).toMatchObject({ bare: "200 ok" });
      }
      await admitted(runningPath, running, name("running"));
      await admitted(unrecordedPath, unrecorded, name("unrecorded"));
      for (const seen of await both((replica) => two.read(replica, coldPath))) expectWhole(seen, cold);
      expect(two.origin.requests(`/${name("cold")}.img`).length).toBe(1);
      await two.nothingLeft();
    },
    200_000,
  );

  /** Clients of one blob on one replica. */
  function readersOf(replica: number, path: string, half: number) {
    const reached = Promise.withResolvers<void>();
    const read = (): Promise<Seen> =>
      two.read(replica, path, {
        onData: (_, soFar) => {
          // The last 64 KiB before the hold may be on their way.
          if (soFar >= half - 128 * 1024) reached.resolve();
          return true;
        },
      });
    return { done: Promise.all([read(), read(), read()]), halfWay: reached.promise };
  }

  /** Whole, in part, and their heads; again and again. */
  async function hotGoesOn(path: string, content: { seed: string; size: number }): Promise<void> {
    for (let round = 0; round < 3; round += 1) {
      for (const seen of await both((replica) => two.read(replica, path))) expectWhole(seen, content, SOON_MS);
    }
    const token = { "X-Auth-Token": two.cluster.adminToken };
    const part = { headers: { ...token, Range: "bytes=1000000-1999999" } };
    for (const seen of await both((replica) => two.read(replica, path, part))) {
      expect(seen).toMatchObject({ status: 206, complete: true, bytes: 1_000_000 });
      expect(seen.milliseconds).toBeLessThan(SOON_MS);
    }
    for (const seen of await both((replica) => two.read(replica, path, { method: "HEAD" }))) {
      expect(seen).toMatchObject({ status: 200, cacheStatus: "Cistern; hit" });
    }
    // Nobody is let in because nobody can be asked.
    for (const seen of await both((replica) => two.read(replica, path, { headers: {} }))) {
      expect(seen.status).toBe(401);
    }
    await expect
      .poll(() => both((replica) => two.readiness(replica)), { timeout: 20_000 })
      .toEqual(Array(2).fill({ bare: "200 degraded", parts: { catalog: "unavailable", store: "ok" } }));
  }

  async function restDoesNot(hotPath: string, coldPath: string): Promise<void> {
    const token = { "X-Auth-Token": two.cluster.adminToken };
    const json = { ...token, "Content-Type": "application/json" };
    const image = JSON.stringify({ name: "new", container_format: "bare", disk_format: "raw" });
    const newToken = JSON.stringify({ name: "new", project: "new", roles: ["reader"] });
    const refused = await both((replica) => {
      const url = (path: string) => `${two.replica(replica).url}${path}`;
      const write = (path: string, method: string, headers: Record<string, string>, body: string) =>
        see(url(path), two.cluster.adminToken, { method, headers, body });
      return Promise.all([
        two.read(replica, coldPath),
        two.read(replica, hotPath, { headers: { "X-Auth-Token": "cst_of-somebody-new" } }),
        see(url("/artifacts/images"), two.cluster.adminToken),
        see(url(coldPath.replace(/\/image$/, "")), two.cluster.adminToken),
        write("/artifacts/images", "POST", json, image),
        write("/v1/tokens", "POST", json, newToken),
        write(coldPath, "PUT", { ...token, "Content-Type": "application/octet-stream" }, "bytes"),
      ]);
    });
    for (const seen of refused.flat()) expectRefused(seen, "catalog-unavailable", BOUNDED_MS);
  }

  /** It was fetched once, and is in the bucket and on both replicas. */
  async function admitted(path: string, content: { seed: string; size: number }, name: string): Promise<void> {
    await expect.poll(async () => (await two.read(0, path)).cacheStatus, { timeout: 60_000 }).toBe("Cistern; hit");
    for (const seen of await both((replica) => two.read(replica, path))) expectWhole(seen, content);
    expect(two.origin.requests(`/${name}.img`).length).toBe(1);
  }
});
