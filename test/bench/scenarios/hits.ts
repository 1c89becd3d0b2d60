import type { Bench } from "../bench.ts";
import { benchBlob, GIB, KIB, MIB } from "../blob.ts";
import type { Contender } from "../contenders/contender.ts";
import { type HitsResult, herd, hits as runHits, type Target } from "../load-program.ts";
import { cpuSeconds } from "../proc-figures.ts";
import { median } from "../quantile.ts";
import { atLeast, type Bar, type Table } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 3;
const YARDSTICK = "nginx static";

interface Case {
  readonly name: string;
  readonly size: number;
  readonly connections: number;
  /** Different blobs, asked for in turn. */
  readonly blobs: number;
  readonly seconds: number;
  /** What is compared. */
  readonly rate: (result: HitsResult) => number;
  readonly unit: string;
  readonly atLeast: number;
}

const CASES: readonly Case[] = [
  {
    name: "64 MiB",
    size: 64 * MIB,
    connections: 8,
    blobs: 1,
    seconds: 2,
    rate: (result) => result.bytes / result.seconds / MIB,
    unit: "MiB/s",
    atLeast: 1,
  },
  {
    name: "1 KiB",
    size: KIB,
    connections: 32,
    blobs: 8,
    seconds: 2,
    rate: (result) => result.requests / result.seconds,
    unit: "requests/s",
    atLeast: 0.5,
  },
];

interface Series {
  readonly contender: Contender;
  readonly targets: readonly Target[];
  readonly rates: number[];
  readonly p99: number[];
  cpuSeconds: number;
  bytes: number;
  requests: number;
}

/** Warm content, kept-alive connections, one client thread: against nginx that sends the same file from disk. */
export const hits: Scenario = {
  name: "hits",
  async run(bench) {
    const reports = [];
    for (const one of CASES) reports.push(await measureCase(bench, one));
    return { tables: reports.map(({ table }) => table), bars: reports.flatMap(({ bars }) => bars) };
  },
};

async function measureCase(bench: Bench, one: Case): Promise<{ table: Table; bars: readonly Bar[] }> {
  const yardstick = await bench.staticServer();
  const contenders = [...(yardstick === undefined ? [] : [yardstick]), ...(await bench.caches())];
  const series: Series[] = [];
  for (const contender of contenders) {
    const targets = await warm(contender, one);
    series.push({ contender, targets, rates: [], p99: [], cpuSeconds: 0, bytes: 0, requests: 0 });
  }
  // Taken in turn, so that a slow moment of the machine does not fall on one of them.
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const each of series) await measureRound(each, one);
  }
  return { table: tableOf(one, series), bars: barsOf(one, series) };
}

async function warm(contender: Contender, one: Case): Promise<readonly Target[]> {
  const targets: Target[] = [];
  for (let number = 0; number < one.blobs; number += 1) {
    const target = await contender.target(benchBlob(`hits-${number}`, one.size));
    // Twice, and compared: the second answer is a hit wherever it can be one.
    for (const _ of [1, 2]) {
      const { complete, failures } = await herd({ targets: [target] });
      if (complete !== 1) throw new Error(`${contender.name} does not serve ${one.name}: ${failures.join(", ")}`);
    }
    targets.push(target);
  }
  return targets;
}

async function measureRound(series: Series, one: Case): Promise<void> {
  const before = await cpuSeconds(series.contender.pid);
  const { connections, seconds } = one;
  const result = await runHits({ targets: series.targets, connections, seconds });
  if (result.failed > 0) throw new Error(`${series.contender.name}: ${result.failed} failed: ${result.failure}`);
  series.cpuSeconds += (await cpuSeconds(series.contender.pid)) - before;
  series.bytes += result.bytes;
  series.requests += result.requests;
  series.rates.push(one.rate(result));
  series.p99.push(result.p99);
}

function tableOf(one: Case, series: readonly Series[]): Table {
  const base = yardstickRate(series);
  const rows = series.map((each) => {
    const rate = median(each.rates);
    return [
      each.contender.name,
      rate.toFixed(0),
      `${(rate / base).toFixed(2)}×`,
      median(each.p99).toFixed(1),
      (each.cpuSeconds / (each.bytes / GIB)).toFixed(2),
      ((each.cpuSeconds / each.requests) * 1e6).toFixed(0),
    ];
  });
  return {
    title: `Hits on ${one.name}, ${one.connections} connections (median of ${ROUNDS})`,
    columns: ["", one.unit, `÷ ${YARDSTICK}`, "p99 ms", "CPU s/GiB", "CPU µs/request"],
    rows,
  };
}

function barsOf(one: Case, series: readonly Series[]): readonly Bar[] {
  const base = yardstickRate(series);
  return series
    .filter(({ contender }) => contender.name === "cistern")
    .filter(() => Number.isFinite(base))
    .map(({ rates }) => atLeast(`hits, ${one.name}: rate ÷ ${YARDSTICK}`, one.atLeast, median(rates) / base, "×"));
}

function yardstickRate(series: readonly Series[]): number {
  return median(series.find(({ contender }) => contender.name === YARDSTICK)?.rates ?? []);
}
