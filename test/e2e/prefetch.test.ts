import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { z } from "zod";
import { type CisternProcess, startCistern } from "../support/cistern-process.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { ask } from "../support/http-client.ts";
import { requirePostgres } from "../support/postgres.ts";
import { registerImage } from "../support/register-image.ts";
import { hasMinio } from "../support/s3-servers.ts";

const MIB = 1024 * 1024;
const FILL = z.looseObject({
  id: z.string(),
  state: z.string(),
  attempts: z.number(),
  bytes: z.number(),
  origin: z.string().nullable(),
  replica: z.string().nullable(),
});
const PAGE = z.looseObject({ fills: z.array(FILL) });

let origin: FaultOrigin;

beforeEach(async () => {
  origin = await startFaultOrigin();
  return () => origin[Symbol.asyncDispose]();
});

async function call(cistern: CisternProcess, method: string, path: string, body?: unknown): Promise<unknown> {
  const headers = { "X-Auth-Token": cistern.adminToken, "Content-Type": "application/json" };
  const sent = body === undefined ? {} : { body: JSON.stringify(body) };
  const answer = await ask(`${cistern.url}${path}`, { method, headers, ...sent });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body}`);
  return JSON.parse(answer.body.toString());
}

async function prefetch(cistern: CisternProcess, artifact: string) {
  return FILL.parse(await call(cistern, "POST", "/v1/fills", { artifact }));
}

async function show(cistern: CisternProcess, id: string) {
  return FILL.parse(await call(cistern, "GET", `/v1/fills/${id}`));
}

async function list(cistern: CisternProcess, query: string) {
  return PAGE.parse(await call(cistern, "GET", `/v1/fills?${query}`)).fills;
}

const never = () => new Promise(() => undefined);

test("kill -9 in the middle of a prefetch: the next start goes on with it, from the bytes that are there", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "cistern-e2e-"));
  try {
    const content = { size: 48 * MIB, seed: "prefetched" };
    origin.serve("/a.img", content, { hold: { at: 40 * MIB, until: never() } }, {});
    const first = await startCistern({ dataDir, readyMs: 120_000 });
    const location = { url: origin.url("/a.img"), sha256: digestOf(content) };
    const { id, url } = await registerImage(first, "a", location);
    const fill = await prefetch(first, id);
    await expect.poll(async () => (await show(first, fill.id)).bytes, { timeout: 30_000 }).toBe(40 * MIB);
    await first.kill("SIGKILL");

    await using second = await startCistern({ dataDir, readyMs: 120_000 });
    await expect.poll(async () => (await show(second, fill.id)).state, { timeout: 30_000 }).toBe("done");
    expect(await show(second, fill.id)).toMatchObject({ attempts: 2, bytes: content.size });
    const [, resumed] = origin.requests("/a.img");
    expect(resumed?.status).toBe(206);
    const read = await ask(second.url + new URL(url).pathname, { headers: { "X-Auth-Token": second.adminToken } });
    expect([read.headers["cache-status"], digestOf(read.body)]).toEqual(["Cistern; hit", digestOf(content)]);
    expect(origin.requests("/a.img")).toHaveLength(2);
  } finally {
    await rm(dataDir, { recursive: true, force: true });
  }
}, 300_000);

describe.skipIf(!requirePostgres() || !hasMinio)("two replicas work on one queue", () => {
  let cluster: Cluster;

  beforeAll(async () => {
    cluster = await startCluster({ replicas: 2 });
  }, 300_000);
  afterAll(() => cluster?.[Symbol.asyncDispose](), 300_000);

  function replica(number: number): CisternProcess {
    const found = cluster.replicas[number];
    if (found === undefined) throw new Error(`there is no replica ${number}`);
    return found;
  }

  async function register(path: string, size: number, from = origin) {
    const content = { size, seed: path };
    const location = { url: from.url(path), sha256: digestOf(content) };
    const { id, url } = await registerImage(replica(0), `image ${path} ${from.url("/")}`, location);
    return { content, id, path: new URL(url).pathname };
  }

  test("each of thirty is fetched once, by either, and no more than four at once from one origin", async () => {
    await using second = await startFaultOrigin();
    const of = (n: number) => (n % 2 === 0 ? origin : second);
    const images = [];
    for (let n = 0; n < 30; n += 1) {
      of(n).serve(`/${n}.img`, { size: MIB, seed: `/${n}.img` }, { rate: 2 * MIB });
      images.push(await register(`/${n}.img`, MIB, of(n)));
    }
    const fills = await Promise.all(images.map(({ id }, n) => prefetch(replica(n % 2), id)));
    let most = 0;
    const seen = new Set<string | null>();
    await expect
      .poll(
        async () => {
          const running = await list(replica(0), "state=running&kind=prefetch&limit=1000");
          const from = Map.groupBy(running, (fill) => fill.origin);
          most = Math.max(most, ...[...from.values()].map(({ length }) => length));
          for (const { replica: by } of running) seen.add(by);
          return (await list(replica(1), "state=done&limit=1000")).filter(({ id }) => fills.some((f) => f.id === id))
            .length;
        },
        { timeout: 90_000, interval: 50 },
      )
      .toBe(30);
    expect(most).toBeGreaterThan(1);
    expect(most).toBeLessThanOrEqual(4);
    expect(seen.size).toBe(2);
    for (let n = 0; n < 30; n += 1) expect(of(n).requests(`/${n}.img`)).toHaveLength(1);
  }, 180_000);

  test("either cancels what the other runs, within seconds; what readers of one fetch the other tells", async () => {
    origin.serve("/held.img", { size: 8 * MIB, seed: "/held.img" }, { hold: { at: 4 * MIB, until: never() } });
    const { id, path } = await register("/held.img", 8 * MIB);
    const fill = await prefetch(replica(0), id);
    await expect.poll(async () => (await show(replica(0), fill.id)).state, { timeout: 30_000 }).toBe("running");
    const by = (await show(replica(0), fill.id)).replica;
    const other = by === replica(0).url ? replica(1) : replica(0);
    const before = performance.now();
    await call(other, "DELETE", `/v1/fills/${fill.id}`);
    await expect.poll(async () => (await show(other, fill.id)).state, { timeout: 10_000 }).toBe("cancelled");
    expect(performance.now() - before).toBeLessThan(5_000);

    const cut = ask(replica(0).url + path, { headers: { "X-Auth-Token": cluster.adminToken } });
    await expect
      .poll(async () => (await list(replica(1), `artifact=${id}&state=running`)).length, { timeout: 20_000 })
      .toBe(1);
    const [live] = await list(replica(1), `artifact=${id}&state=running`);
    expect(live).toMatchObject({ kind: "demand", replica: replica(0).url });
    await call(replica(1), "DELETE", `/v1/fills/${live?.id}?force=true`);
    expect((await cut).complete).toBe(false);
  }, 120_000);

  test("a replica that is killed is replaced by the other one", async () => {
    origin.serve("/killed.img", { size: 8 * MIB, seed: "/killed.img" }, { hold: { at: 4 * MIB, until: never() } }, {});
    const { id } = await register("/killed.img", 8 * MIB);
    const fill = await prefetch(replica(0), id);
    await expect.poll(async () => (await show(replica(0), fill.id)).state, { timeout: 30_000 }).toBe("running");
    const by = (await show(replica(0), fill.id)).replica;
    const victim = by === replica(0).url ? 0 : 1;
    await replica(victim).kill("SIGKILL");
    const left = replica(1 - victim);
    await expect.poll(async () => (await show(left, fill.id)).state, { timeout: 60_000 }).toBe("done");
    expect(await show(left, fill.id)).toMatchObject({ attempts: 2, replica: left.url });
  }, 120_000);
});
