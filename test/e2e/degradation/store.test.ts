import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { bucketContents } from "../../support/bucket-contents.ts";
import { digestOf } from "../../support/fault-origin.ts";
import { type FaultProxy, type ProxyFault, startFaultProxy } from "../../support/fault-proxy.ts";
import { ask } from "../../support/http-client.ts";
import { requirePostgres } from "../../support/postgres.ts";
import { hasMinio, type S3Server, startMinio } from "../../support/s3-servers.ts";
import {
  expectRefused,
  expectWhole,
  type Seen,
  see,
  startTwoReplicas,
  type TwoReplicas,
} from "../support/two-replicas.ts";

const MIB = 1024 * 1024;
const SOON_MS = 3_000;
/** What hangs is given up after 5 s, and then known to hang. */
const BOUNDED_MS = 15_000;
/** Keeping is tried for 30 s, and longer where every attempt hangs. */
const UPLOAD_MS = 60_000;

const SLOW_DOWN = "<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>";

interface Servers {
  readonly s3: S3Server;
  readonly proxy: FaultProxy;
}

const answering = (body: string): ProxyFault => ({ kind: "answer", status: 503, body });
const passing = async ({ proxy }: Servers) => {
  proxy.rule = () => undefined;
};

const OUTAGES = {
  "is stopped": { begin: ({ s3 }: Servers) => s3.stop("SIGKILL"), end: ({ s3 }: Servers) => s3.start(), long: false },
  hangs: {
    begin: async ({ s3 }: Servers) => void process.kill(s3.pid, "SIGSTOP"),
    end: async ({ s3 }: Servers) => void process.kill(s3.pid, "SIGCONT"),
    // Longer than keeping is tried.
    long: true,
  },
  "is overloaded": {
    begin: async ({ proxy }: Servers) => {
      proxy.rule = () => answering(SLOW_DOWN);
    },
    end: passing,
    long: false,
  },
};

describe.skipIf(!(requirePostgres() && hasMinio))("two replicas whose S3 server goes away", () => {
  let two: TwoReplicas;
  let servers: Servers;

  beforeAll(async () => {
    const s3 = await startMinio();
    servers = { s3, proxy: await startFaultProxy(s3.endpoint) };
    two = await startTwoReplicas({
      startS3: () => Promise.resolve(s3),
      // Content of more than 8 MiB streams from the bucket.
      env: { CISTERN_S3_ENDPOINT: servers.proxy.endpoint, CISTERN_HOT_BYTES: "32MiB" },
    });
  }, 120_000);
  afterAll(async () => {
    await two?.[Symbol.asyncDispose]();
    await servers?.proxy[Symbol.asyncDispose]();
  }, 60_000);

  const both = <T>(ask: (replica: number) => Promise<T>): Promise<T[]> => Promise.all([ask(0), ask(1)]);
  const allFresh = () => both((replica) => two.readiness(replica));

  test.each(Object.entries(OUTAGES))(
    "the server %s: what goes on, what does not, and afterwards",
    async (how, outage) => {
      const content = (name: string, size: number) => ({ seed: `${name} ${how}`, size });
      const name = (what: string) => `${what}-${how.replace(" ", "-")}`;
      const [hot, cool, cold] = [content("hot", 2 * MIB), content("cool", 3 * MIB), content("cold", 5 * MIB)];
      const [large, streamed] = [content("large", 12 * MIB), content("streamed", 40 * MIB)];
      const hotPath = await two.register(name("hot"), hot);
      const coolPath = await two.register(name("cool"), cool);
      const coldPath = await two.register(name("cold"), cold);
      const largePath = await two.register(name("large"), large);
      const streamedPath = await two.register(name("streamed"), streamed);
      const uploaded = Buffer.from(`uploaded ${how}`.repeat(1_000));
      const uploadedPath = await upload(0, uploaded);
      for (const seen of await both((replica) => two.read(replica, hotPath))) expectWhole(seen, hot);
      for (const path of [coolPath, largePath, streamedPath]) await two.read(0, path);
      for (const fetched of [hot, cool, large, streamed]) {
        await expect.poll(() => passed(fetched, true), { timeout: 30_000 }).toBe(1);
      }
      const degraded = logged("degraded", '"part":"store"');
      const cut = await inTheMiddle(streamedPath);
      await outage.begin(servers);
      cut.goOn();
      // Keeping is tried for a while, which the rest need not wait for.
      const lateUpload = newImage(1).then((path) => uploadTo(1, path, Buffer.from("more bytes")));

      try {
        // From the hot tiers of both; what one has not got comes from its origin again, and is there from then on.
        for (let round = 0; round < 2; round += 1) {
          for (const seen of await both((replica) => two.read(replica, hotPath))) expectWhole(seen, hot, SOON_MS);
        }
        await readAround(coolPath, cool, `/${name("cool")}.img`);
        for (const seen of await herd(largePath)) expectWhole(seen, large, BOUNDED_MS);
        for (const seen of await herd(coldPath)) expectWhole(seen, cold, BOUNDED_MS);
        expectRefused(await two.read(1, uploadedPath), "store-unavailable", BOUNDED_MS);
        await expect
          .poll(allFresh, { timeout: 20_000 })
          .toEqual(Array(2).fill({ bare: "200 degraded", parts: { catalog: "ok", store: "unavailable" } }));
        // In doubt it is reset, and never looks complete.
        expect(await cut.seen).toMatchObject({ complete: false, broken: "ECONNRESET" });
        if (outage.long) {
          expectRefused(await lateUpload, "store-unavailable", UPLOAD_MS);
          await expect.poll(() => passed(cold, false), { timeout: UPLOAD_MS }).toBe(1);
          expect(logged("degraded", '"part":"store"')).toBeGreaterThan(degraded);
        }
      } finally {
        await outage.end(servers);
      }
      await expect
        .poll(allFresh, { timeout: 30_000 })
        .toEqual(Array(2).fill({ bare: "200 ok", parts: { catalog: "ok", store: "ok" } }));
      await expect
        .poll(async () => (await two.read(1, uploadedPath)).sha256, { timeout: 20_000 })
        .toBe(digestOf(uploaded));
      for (const seen of await both((replica) => two.read(replica, streamedPath))) expectWhole(seen, streamed);
      if (!outage.long) expect(await lateUpload).toMatchObject({ status: 200 });
      await keptAgain(coldPath, cold);
      // What could be kept a little later was not fetched again for it.
      expect(two.origin.requests(`/${name("cold")}.img`).length).toBe(outage.long ? 2 : 1);
      await two.nothingLeft();
    },
    240_000,
  );

  const logged = (kind: string, holding: string) => two.events(0, kind, holding) + two.events(1, kind, holding);

  /** How often content was fetched and passed, and kept or not. */
  const passed = ({ seed, size }: { seed: string; size: number }, kept: boolean) =>
    logged("fill-passed", `"sha256":"${digestOf({ seed, size })}","kept":${kept}`);

  test("a server that is full: all is served, verified, nothing new is kept before there is room", async () => {
    const [kept, fresh] = [
      { seed: "kept before", size: 3 * MIB },
      { seed: "not kept", size: 20 * MIB },
    ];
    const keptPath = await two.register("kept-before", kept);
    const freshPath = await two.register("not-kept", fresh);
    expectWhole(await two.read(0, keptPath), kept);
    await expect.poll(() => passed(kept, true), { timeout: 30_000 }).toBe(1);
    const full = { kind: "answer", status: 507, body: "<Error><Code>XMinioStorageFull</Code></Error>" } as const;
    servers.proxy.rule = (line) => (/^(PUT|POST) /.test(line) ? full : undefined);
    try {
      for (const seen of await both((replica) => two.read(replica, keptPath))) expectWhole(seen, kept);
      for (const seen of await herd(freshPath)) expectWhole(seen, fresh, BOUNDED_MS);
      await expect.poll(() => passed(fresh, false), { timeout: 30_000 }).toBe(1);
      const refused = await uploadTo(1, await newImage(1), Buffer.from("more bytes"));
      expect(refused).toMatchObject({ status: 507, code: "spool-full" });
    } finally {
      await passing(servers);
    }
    await keptAgain(freshPath, fresh);
    await two.nothingLeft();
  }, 120_000);

  /** A reader of the bucket that has taken a part, and takes no more before it is told to. */
  async function inTheMiddle(path: string): Promise<{ goOn(): void; seen: Promise<Seen> }> {
    const begun = Promise.withResolvers<void>();
    const further = Promise.withResolvers<void>();
    const onData = () => {
      begun.resolve();
      return true;
    };
    const seen = two.read(0, path, { onData, pause: { at: MIB, until: further.promise } });
    await begun.promise;
    return { goOn: further.resolve, seen };
  }

  const herd = (path: string): Promise<Seen[]> =>
    Promise.all(Array.from({ length: 20 }, (_, index) => two.read(index % 2, path)));

  /** One fetch for both replicas, however many ask; then it is in their hot tiers. */
  async function readAround(path: string, content: { seed: string; size: number }, at: string): Promise<void> {
    const before = two.origin.requests(at).length;
    for (const seen of await herd(path)) expectWhole(seen, content, BOUNDED_MS);
    expect(two.origin.requests(at).length).toBe(before + 1);
    for (const seen of await both((replica) => two.read(replica, path))) expectWhole(seen, content, SOON_MS);
    expect(two.origin.requests(at).length).toBe(before + 1);
  }

  /** What passed through is fetched once more, and kept now; both hot tiers get it. */
  async function keptAgain(path: string, content: { seed: string; size: number }): Promise<void> {
    await expect.poll(async () => (await two.read(0, path)).cacheStatus, { timeout: 60_000 }).toBe("Cistern; hit");
    for (const seen of await both((replica) => two.read(replica, path))) expectWhole(seen, content);
    // What a server that hung made of requests that were given up long ago, goes again.
    const objects = async () => (await bucketContents(two.cluster)).objects;
    const copies = async () => (await objects()).filter((key) => key.includes(digestOf(content))).length;
    await expect.poll(copies, { timeout: 30_000 }).toBe(1);
  }

  async function newImage(replica: number): Promise<string> {
    const headers = { "X-Auth-Token": two.cluster.adminToken, "Content-Type": "application/json" };
    const body = JSON.stringify({ name: `upload ${Math.random()}`, container_format: "bare", disk_format: "raw" });
    const answer = await ask(`${two.replica(replica).url}/artifacts/images`, { method: "POST", headers, body });
    return `/artifacts/images/${JSON.parse(answer.body.toString()).id}/image`;
  }

  function uploadTo(replica: number, path: string, body: Buffer): Promise<Seen> {
    const headers = { "X-Auth-Token": two.cluster.adminToken, "Content-Type": "application/octet-stream" };
    return see(`${two.replica(replica).url}${path}`, two.cluster.adminToken, { method: "PUT", headers, body });
  }

  async function upload(replica: number, body: Buffer): Promise<string> {
    const path = await newImage(replica);
    expect((await uploadTo(replica, path, body)).status).toBe(200);
    return path;
  }
});
