import { Client } from "minio";
import { bucketContents } from "../../support/bucket-contents.ts";
import type { CisternProcess } from "../../support/cistern-process.ts";
import { type Cluster, startCluster } from "../../support/cluster.ts";
import { registerImage } from "../../support/register-image.ts";
import type { Bench } from "../bench.ts";
import { type BenchBlob, benchBlob, GIB, MIB } from "../blob.ts";
import { compareHits, type HitCase } from "../compare-hits.ts";
import type { Contender } from "../contenders/contender.ts";
import { nginxProxyOf } from "../contenders/nginx.ts";
import { type HerdResult, herd as runHerd, type Target } from "../load-program.ts";
import { MemorySampler } from "../memory-sampler.ts";
import { cpuSeconds, memoryOf } from "../proc-figures.ts";
import { median, quantile } from "../quantile.ts";
import { atLeast, atMost, exactly, type ScenarioReport } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const CLIENTS = 200;
const HERD_SECONDS = 20;
const FIRST_READS = 5;

const HOT: HitCase = {
  name: "64 MiB in the hot tier",
  size: 64 * MIB,
  connections: 8,
  blobs: 1,
  seconds: 2,
  rate: (result) => result.bytes / result.seconds / MIB,
  unit: "MiB/s",
};

// More than a replica's memory keeps, in turn: what is measured comes from the store.
const STREAMED: HitCase = { ...HOT, name: "128 MiB streamed from MinIO", size: 128 * MIB, blobs: 8, seconds: 4 };

/** Replicas over Postgres and MinIO: against nginx in front of the same bytes. */
export const cluster: Scenario = {
  name: "cluster",
  needsCistern: true,
  async run(bench) {
    await using replicas = await startCluster({ env: { CISTERN_LOG_LEVEL: "warn" } });
    const reports = [await measureHerd(bench, replicas), await measureHot(bench, replicas)];
    reports.push(await measureStreamed(bench, replicas), await measureFirstReads(bench, replicas));
    return { tables: reports.flatMap(({ tables }) => tables), bars: reports.flatMap(({ bars }) => bars) };
  },
};

/** The herd of one cold blob, spread over three replicas: one of them fetches, the others relay. */
async function measureHerd(bench: Bench, cluster: Cluster): Promise<ScenarioReport> {
  const blob = benchBlob("cluster-herd", 256 * MIB);
  await bench.origin.setRule(blob.path, { hold: true, totalRate: Math.round(blob.size / HERD_SECONDS) });
  const targets: Target[] = [];
  const [first] = cluster.replicas;
  if (first === undefined) throw new Error("there are no replicas");
  const path = new URL((await register(first, bench, blob)).url).pathname;
  for (const replica of cluster.replicas) targets.push({ ...targetAt(replica, blob), url: replica.url + path });
  const samplers = cluster.replicas.map(({ pid }) => new MemorySampler(pid));
  const idle = await Promise.all(cluster.replicas.map(({ pid }) => memoryOf(pid)));
  const before = await cpuOf(cluster);
  const release = { origin: bench.origin.url, release: [blob.path], settleMs: 2_000, timeoutMs: 180_000 };
  const result = await runHerd({ targets, clients: CLIENTS, ...release });
  const cpu = (await cpuOf(cluster)) - before;
  const peaks = await Promise.all(samplers.map((sampler) => sampler.stop()));
  const grown = peaks.map((peak, number) => peak.rss - (idle[number]?.rss ?? 0));
  return herdReport(result, await bench.origin.stats(blob.path), blob, cpu, Math.max(...grown));
}

function herdReport(
  result: HerdResult,
  origin: { readonly firstByteAt: number; readonly bytes: number },
  blob: BenchBlob,
  cpu: number,
  grown: number,
): ScenarioReport {
  const rows: string[][] = [];
  const p99: number[] = [];
  for (const target of [0, 1, 2]) {
    const waits = result.clients
      .filter((client) => client.target === target && client.firstByteAt > 0)
      .map(({ firstByteAt }) => (firstByteAt - origin.firstByteAt) / 1e6);
    p99.push(quantile(waits, 0.99));
    rows.push([`replica ${target}`, quantile(waits, 0.5).toFixed(0), quantile(waits, 0.99).toFixed(0)]);
  }
  const summary = `origin ${(origin.bytes / blob.size).toFixed(3)}×, ${(cpu / (result.bytes / GIB)).toFixed(2)} CPU s/GiB`;
  const title = `Herd of ${CLIENTS} over three replicas on a cold 256 MiB blob, fetch of ${HERD_SECONDS} s (${summary})`;
  return {
    tables: [{ title, columns: ["", "first byte p50 ms", "p99 ms"], rows }],
    bars: [
      atMost("cluster herd: origin bytes ÷ size", 1, origin.bytes / blob.size, "×", 4),
      exactly("cluster herd: failures", 0, CLIENTS - result.complete),
      // The holder is among them: what bounds the slowest replica bounds the others.
      atMost("cluster herd: first byte p99 on the slowest replica", 250, Math.max(...p99), " ms", 0),
      atMost("cluster herd: memory of a replica over idle", 200, grown / MIB, " MiB", 0),
    ],
  };
}

/** Hits from local files in front of MinIO, against nginx that sends the same file with sendfile. */
async function measureHot(bench: Bench, cluster: Cluster): Promise<ScenarioReport> {
  const [replica] = cluster.replicas;
  const yardstick = await bench.staticServer();
  if (replica === undefined || yardstick === undefined) return { tables: [], bars: [] };
  const { table, rate } = await compareHits([yardstick, cistern("hot tier", replica, bench)], yardstick.name, HOT);
  const ratio = rate("hot tier") / rate(yardstick.name);
  return { tables: [table], bars: [atLeast("cluster hits: hot tier ÷ nginx sendfile", 1, ratio, "×")] };
}

/** Hits that stream from MinIO, against nginx that proxies the same MinIO, and MinIO itself. */
async function measureStreamed(bench: Bench, cluster: Cluster): Promise<ScenarioReport> {
  const replica = await cluster.restart(2, await stopped(cluster, 2, { CISTERN_HOT_BYTES: "0" }));
  await allowAnybody(cluster);
  const streaming = cistern("from MinIO", replica, bench);
  const nginx = await bench.peer(nginxProxyOf(cluster.s3.endpoint, (blob) => objectPath(cluster, blob)));
  const minio: Contender = {
    name: "MinIO itself",
    pid: cluster.s3.pid,
    target: async (blob) => ({ ...plain(blob), url: cluster.s3.endpoint + (await objectPath(cluster, blob)) }),
    [Symbol.asyncDispose]: async () => undefined,
  };
  if (nginx === undefined) return { tables: [], bars: [] };
  const { table, rate } = await compareHits([streaming, nginx, minio], nginx.name, STREAMED);
  const ratio = rate("from MinIO") / rate(nginx.name);
  return { tables: [table], bars: [atLeast("cluster hits: from MinIO ÷ nginx proxying it", 1, ratio, "×")] };
}

/** The first read on a replica that has not got it: the store's bytes, verified again on the way. */
async function measureFirstReads(bench: Bench, cluster: Cluster): Promise<ScenarioReport> {
  const [one, other] = cluster.replicas;
  if (one === undefined || other === undefined) throw new Error("there are no two replicas");
  const seconds: { first: number[]; hot: number[]; direct: number[] } = { first: [], hot: [], direct: [] };
  for (let round = 0; round < FIRST_READS; round += 1) {
    const blob = benchBlob(`cluster-first-${round}`, 64 * MIB);
    const image = await register(one, bench, blob);
    await timed({ ...targetAt(one, blob), url: image.url });
    const elsewhere = { ...targetAt(other, blob), url: other.url + new URL(image.url).pathname };
    const object = cluster.s3.endpoint + (await objectPath(cluster, blob));
    seconds.direct.push(await timed({ ...plain(blob), url: object }));
    seconds.first.push(await timed(elsewhere));
    seconds.hot.push(await timed(elsewhere));
  }
  const direct = median(seconds.direct);
  const row = (name: string, all: readonly number[]) => {
    const middle = median(all);
    return [name, middle.toFixed(3), `${(middle / direct).toFixed(2)}×`];
  };
  const rows = [row("MinIO itself", seconds.direct), row("first read", seconds.first), row("second read", seconds.hot)];
  const title = `64 MiB on a replica that has not got it (median of ${FIRST_READS})`;
  return { tables: [{ title, columns: ["", "seconds", "÷ MinIO"], rows }], bars: [] };
}

function cistern(name: string, replica: CisternProcess, bench: Bench): Contender {
  return {
    name,
    pid: replica.pid,
    async target(blob) {
      const image = await register(replica, bench, blob);
      return { ...targetAt(replica, blob), url: image.url };
    },
    [Symbol.asyncDispose]: async () => undefined,
  };
}

async function register(replica: CisternProcess, bench: Bench, blob: BenchBlob) {
  const { sha256 } = await blob.digests();
  return registerImage(replica, `${blob.seed}-${blob.size}`, { url: bench.origin.url + blob.path, sha256 });
}

function targetAt(replica: CisternProcess, blob: BenchBlob): Target {
  return { ...plain(blob), headers: { "X-Auth-Token": replica.adminToken } };
}

function plain({ seed, size }: BenchBlob): Target {
  return { url: "", headers: {}, seed, size };
}

/** Where the blob's object is in the bucket, once it is there. */
async function objectPath(cluster: Cluster, blob: BenchBlob): Promise<string> {
  const { sha256 } = await blob.digests();
  for (let attempt = 0; attempt < 100; attempt += 1) {
    const found = (await bucketContents(cluster)).objects.find((name) => name.includes(sha256));
    if (found !== undefined) return `/${cluster.bucket}/${found}`;
  }
  throw new Error(`the object of ${blob.seed} does not come`);
}

async function timed(target: Target): Promise<number> {
  const { clients, failures } = await runHerd({ targets: [target] });
  const [client] = clients;
  if (client === undefined || !client.complete) throw new Error(failures.join(", "));
  return (client.doneAt - client.sentAt) / 1e9;
}

async function stopped(cluster: Cluster, replica: number, extra: Record<string, string>) {
  await cluster.replicas[replica]?.kill("SIGTERM");
  return extra;
}

async function cpuOf({ replicas }: Cluster): Promise<number> {
  const all = await Promise.all(replicas.map(({ pid }) => cpuSeconds(pid)));
  return all.reduce((sum, one) => sum + one, 0);
}

/** Lets nginx and the load program read the bucket without signing. */
async function allowAnybody({ s3, bucket }: Cluster): Promise<void> {
  const { hostname, port } = new URL(s3.endpoint);
  const { accessKey, secretKey, region } = s3;
  const client = new Client({ endPoint: hostname, port: Number(port), useSSL: false, accessKey, secretKey, region });
  const Resource = [`arn:aws:s3:::${bucket}/*`];
  const Statement = [{ Effect: "Allow", Principal: { AWS: ["*"] }, Action: ["s3:GetObject"], Resource }];
  await client.setBucketPolicy(bucket, JSON.stringify({ Version: "2012-10-17", Statement }));
}
