import type { Bench } from "../bench.ts";
import { type BenchBlob, benchBlob, MIB } from "../blob.ts";
import { herd, type Target } from "../load-program.ts";
import { median } from "../quantile.ts";
import { atMost, type ScenarioReport } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const ROUNDS = 5;
const RATE = 100e6;

interface Series {
  readonly name: string;
  readonly seconds: number[];
  readonly firstByteMs: number[];
  /** From the request to the origin's first byte, and from its last byte to the end of the response. */
  readonly beforeMs: number[];
  readonly afterMs: number[];
}

/** One client, one cold 64 MiB blob, an origin that sends 100 MB/s: what the detour costs. */
export const cold: Scenario = {
  name: "cold",
  async run(bench) {
    const caches = await bench.caches();
    const direct: Series = { name: "direct", seconds: [], firstByteMs: [], beforeMs: [], afterMs: [] };
    const series = caches.map(
      (contender): Series => ({ name: contender.name, seconds: [], firstByteMs: [], beforeMs: [], afterMs: [] }),
    );
    for (let round = 0; round < ROUNDS; round += 1) {
      const own = await slowBlob(bench, `cold-direct-${round}`);
      await measure(bench, direct, own, {
        url: bench.origin.url + own.path,
        headers: {},
        seed: own.seed,
        size: own.size,
      });
      for (const [index, contender] of caches.entries()) {
        const blob = await slowBlob(bench, `cold-${index}-${round}`);
        const one = series[index];
        if (one !== undefined) await measure(bench, one, blob, await contender.target(blob));
      }
    }
    return report(direct, series);
  },
};

async function slowBlob(bench: Bench, seed: string): Promise<BenchBlob> {
  const blob = benchBlob(seed, 64 * MIB);
  await bench.origin.setRule(blob.path, { totalRate: RATE });
  return blob;
}

async function measure(bench: Bench, series: Series, blob: BenchBlob, target: Target): Promise<void> {
  const { clients, failures } = await herd({ targets: [target] });
  const [client] = clients;
  if (client === undefined || !client.complete) throw new Error(`${series.name}: ${failures.join(", ")}`);
  series.seconds.push((client.doneAt - client.sentAt) / 1e9);
  series.firstByteMs.push((client.firstByteAt - client.sentAt) / 1e6);
  const origin = await bench.origin.stats(blob.path);
  series.beforeMs.push((origin.firstByteAt - client.sentAt) / 1e6);
  series.afterMs.push((client.doneAt - origin.lastByteAt) / 1e6);
}

function report(direct: Series, series: readonly Series[]): ScenarioReport {
  const base = { seconds: median(direct.seconds), firstByteMs: median(direct.firstByteMs) };
  const rows = [direct, ...series].map((one) => {
    const seconds = median(one.seconds);
    const firstByteMs = median(one.firstByteMs);
    return [
      one.name,
      seconds.toFixed(3),
      `${(seconds / base.seconds).toFixed(3)}×`,
      firstByteMs.toFixed(1),
      (firstByteMs - base.firstByteMs).toFixed(1),
      median(one.beforeMs).toFixed(1),
      median(one.afterMs).toFixed(1),
    ];
  });
  const bars = series
    .filter((one) => one.name === "cistern")
    .flatMap((one) => [
      atMost("cold GET: time ÷ direct", 1.03, median(one.seconds) / base.seconds, "×", 3),
      atMost("cold GET: first byte later than direct", 20, median(one.firstByteMs) - base.firstByteMs, " ms", 1),
    ]);
  return {
    tables: [
      {
        title: `Cold GET of 64 MiB, origin at 100 MB/s (median of ${ROUNDS})`,
        columns: [
          "",
          "seconds",
          "÷ direct",
          "first byte ms",
          "later ms",
          "origin's first byte after ms",
          "done after its last ms",
        ],
        rows,
      },
    ],
    bars,
  };
}
