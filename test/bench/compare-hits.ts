import { benchBlob, GIB } from "./blob.ts";
import type { Contender } from "./contenders/contender.ts";
import { type HitsResult, herd, hits as runHits, type Target } from "./load-program.ts";
import { cpuSeconds } from "./proc-figures.ts";
import { median } from "./quantile.ts";
import type { Table } from "./report.ts";

const ROUNDS = 3;

export interface HitCase {
  readonly name: string;
  readonly size: number;
  readonly connections: number;
  /** Different blobs, asked for in turn. */
  readonly blobs: number;
  readonly seconds: number;
  /** What is compared. */
  readonly rate: (result: HitsResult) => number;
  readonly unit: string;
}

export interface ComparedHits {
  readonly table: Table;
  /** Median rate of a contender by its name; NaN when it took no part. */
  rate(name: string): number;
}

interface Series {
  readonly contender: Contender;
  readonly targets: readonly Target[];
  readonly rates: number[];
  readonly p99: number[];
  cpuSeconds: number;
  bytes: number;
  requests: number;
}

/** Warm content over kept-alive connections, contenders in turn, so that a slow moment does not fall on one of them. */
export async function compareHits(
  contenders: readonly Contender[],
  yardstick: string,
  one: HitCase,
): Promise<ComparedHits> {
  const series: Series[] = [];
  for (const contender of contenders) {
    const targets = await warm(contender, one);
    series.push({ contender, targets, rates: [], p99: [], cpuSeconds: 0, bytes: 0, requests: 0 });
  }
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const each of series) await measureRound(each, one);
  }
  const rate = (name: string) => median(series.find(({ contender }) => contender.name === name)?.rates ?? []);
  return { table: tableOf(one, series, yardstick, rate(yardstick)), rate };
}

async function warm(contender: Contender, one: HitCase): Promise<readonly Target[]> {
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

async function measureRound(series: Series, one: HitCase): Promise<void> {
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

function tableOf(one: HitCase, series: readonly Series[], yardstick: string, base: number): Table {
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
    columns: ["", one.unit, `÷ ${yardstick}`, "p99 ms", "CPU s/GiB", "CPU µs/request"],
    rows,
  };
}
