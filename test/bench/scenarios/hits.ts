import { KIB, MIB } from "../blob.ts";
import { compareHits, type HitCase } from "../compare-hits.ts";
import { atLeast, type ScenarioReport } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const YARDSTICK = "nginx static";

const CASES: readonly (HitCase & { readonly atLeast: number })[] = [
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

/** Warm content, kept-alive connections, one client thread: against nginx that sends the same file from disk. */
export const hits: Scenario = {
  name: "hits",
  async run(bench) {
    const yardstick = await bench.staticServer();
    const contenders = [...(yardstick === undefined ? [] : [yardstick]), ...(await bench.caches())];
    const reports: ScenarioReport[] = [];
    for (const one of CASES) {
      const { table, rate } = await compareHits(contenders, YARDSTICK, one);
      const ratio = rate("cistern") / rate(YARDSTICK);
      const name = `hits, ${one.name}: rate ÷ ${YARDSTICK}`;
      reports.push({ tables: [table], bars: Number.isFinite(ratio) ? [atLeast(name, one.atLeast, ratio, "×")] : [] });
    }
    return { tables: reports.flatMap(({ tables }) => tables), bars: reports.flatMap(({ bars }) => bars) };
  },
};
