import type { Bench } from "../bench.ts";
import { benchBlob, GIB, MIB } from "../blob.ts";
import type { Contender } from "../contenders/contender.ts";
import { type HerdResult, herd as runHerd } from "../load-program.ts";
import { MemorySampler } from "../memory-sampler.ts";
import type { OriginStats } from "../origin.ts";
import { cpuSeconds, memoryOf } from "../proc-figures.ts";
import { quantile } from "../quantile.ts";
import { atMost, type Bar, exactly, type ScenarioReport } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const CLIENTS = 200;
const SIZE = 64 * MIB;

interface Fetch {
  readonly name: string;
  /** How long the origin takes to send the blob; undefined: as fast as it goes. */
  readonly seconds?: number;
  /** Peers take part as well. */
  readonly peers: boolean;
}

// Without a limit the machine is what is measured, so first bytes are a bar only where the origin is throttled.
const FETCHES: readonly Fetch[] = [
  { name: "unthrottled", peers: true },
  { name: "10 s", seconds: 10, peers: true },
  { name: "20 s", seconds: 20, peers: false },
];

interface Figures {
  readonly contender: string;
  readonly originRatio: number;
  readonly failed: number;
  /** Milliseconds from the origin's first byte to a follower's. */
  readonly firstByteP50: number;
  readonly firstByteP99: number;
  /** Seconds from the origin's first byte until the last client was done. */
  readonly allDone: number;
  readonly cpuPerGib: number;
  /** Bytes, before the herd came and at most while it was there. */
  readonly idleRss: number;
  readonly peakRss: number;
  readonly failures: readonly string[];
}

/** 200 clients ask for one cold blob at once; the origin answers when all of them wait. */
export const herd: Scenario = {
  name: "herd",
  async run(bench) {
    const reports: ScenarioReport[] = [];
    for (const fetch of FETCHES) {
      const figures: Figures[] = [];
      for (const contender of await bench.caches()) {
        if (fetch.peers || contender.name === "cistern") figures.push(await measure(bench, contender, fetch));
      }
      if (figures.length > 0) reports.push(report(fetch, figures));
    }
    return { tables: reports.flatMap(({ tables }) => tables), bars: reports.flatMap(({ bars }) => bars) };
  },
};

async function measure(bench: Bench, contender: Contender, fetch: Fetch): Promise<Figures> {
  const blob = benchBlob(`herd-${contender.name}-${fetch.name}`.replaceAll(" ", "-"), SIZE);
  const rate = fetch.seconds === undefined ? {} : { totalRate: Math.round(SIZE / fetch.seconds) };
  await bench.origin.setRule(blob.path, { hold: true, ...rate });
  const target = await contender.target(blob);
  const idle = await memoryOf(contender.pid);
  const sampler = new MemorySampler(contender.pid);
  const cpuBefore = await cpuSeconds(contender.pid);
  const result = await runHerd({
    targets: [target],
    clients: CLIENTS,
    settleMs: 1_000,
    origin: bench.origin.url,
    release: [blob.path],
    timeoutMs: 90_000,
  });
  const cpu = (await cpuSeconds(contender.pid)) - cpuBefore;
  const memory = await sampler.stop();
  const rss = { idleRss: idle.rss, peakRss: memory.rss };
  return { ...figuresOf(contender.name, result, await bench.origin.stats(blob.path), cpu), ...rss };
}

type Memoryless = Omit<Figures, "idleRss" | "peakRss">;

function figuresOf(contender: string, result: HerdResult, origin: OriginStats, cpu: number): Memoryless {
  const since = (at: number) => (at - origin.firstByteAt) / 1e6;
  const followers = result.clients.filter(({ role, firstByteAt }) => role === "follower" && firstByteAt > 0);
  const firstBytes = followers.map(({ firstByteAt }) => since(firstByteAt));
  return {
    contender,
    originRatio: origin.bytes / SIZE,
    failed: CLIENTS - result.complete,
    firstByteP50: quantile(firstBytes, 0.5),
    firstByteP99: quantile(firstBytes, 0.99),
    allDone: Math.max(...result.clients.map(({ doneAt }) => since(doneAt))) / 1000,
    cpuPerGib: cpu / (result.bytes / GIB),
    failures: result.failures,
  };
}

function report(fetch: Fetch, figures: readonly Figures[]): ScenarioReport {
  const rows = figures.map((one) => [
    one.contender,
    `${one.originRatio.toFixed(2)}×`,
    String(one.failed),
    one.firstByteP50.toFixed(0),
    one.firstByteP99.toFixed(0),
    one.allDone.toFixed(1),
    one.cpuPerGib.toFixed(2),
    (one.idleRss / MIB).toFixed(0),
    (one.peakRss / MIB).toFixed(0),
    one.failures.join("; "),
  ]);
  const columns = [
    "",
    "origin",
    "failed",
    "first byte p50 ms",
    "p99 ms",
    "all done s",
    "CPU s/GiB",
    "idle RSS MiB",
    "peak RSS",
    "why failed",
  ];
  const title = `Herd of ${CLIENTS} on a cold 64 MiB blob, fetch: ${fetch.name} (times since the origin's first byte)`;
  return {
    tables: [{ title, columns, rows }],
    bars: figures.filter(({ contender }) => contender === "cistern").flatMap((one) => barsOf(fetch, one)),
  };
}

function barsOf(fetch: Fetch, one: Figures): readonly Bar[] {
  const name = `herd, ${fetch.name}`;
  const always = [
    atMost(`${name}: origin bytes ÷ size`, 1, one.originRatio, "×", 4),
    exactly(`${name}: failures`, 0, one.failed),
  ];
  if (fetch.seconds === undefined) return always;
  return [
    ...always,
    atMost(`${name}: follower first byte p50`, 50, one.firstByteP50, " ms", 0),
    atMost(`${name}: follower first byte p99`, 150, one.firstByteP99, " ms", 0),
  ];
}
