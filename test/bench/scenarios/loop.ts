import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { benchBlob, GIB, KIB, MIB } from "../blob.ts";
import type { CisternContender } from "../contenders/cistern.ts";
import { type HitsResult, herd, hits, type Target } from "../load-program.ts";
import { type LoopDelay, takeLoopDelay, watched } from "../loop-delay-reader.ts";
import { median } from "../quantile.ts";
import { atMost, type Bar, type ScenarioReport } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const READERS = 16;
const SIZE = 2 * GIB;

interface Figures {
  readonly name: string;
  readonly seconds: number;
  readonly bytes: number;
  readonly delay: LoopDelay;
  readonly hits: readonly HitsResult[];
}

/** The event loop of the process, seen from inside, while 16 clients read 1 KiB hits. */
export const loop: Scenario = {
  name: "loop",
  needsCistern: true,
  async run(bench) {
    return report([await duringFill(bench)]);
  },
};

/** A fill as fast as it goes, with three digests to compute. */
async function duringFill(bench: Bench): Promise<Figures> {
  const file = join(bench.directory, "loop-delay.json");
  await using cistern = await bench.freshCistern(watched(file));
  const small = await warmSmall(cistern);
  const blob = benchBlob("loop-fill", SIZE);
  const target = await cistern.register(blob, ["md5", "sha256", "sha512"]);
  await takeLoopDelay(cistern.pid, file);
  const started = performance.now();
  const fill = herd({ targets: [target], timeoutMs: 60_000 });
  const rounds = await hitsUntil(fill, small);
  const delay = await takeLoopDelay(cistern.pid, file);
  const { complete, failures } = await fill;
  if (complete !== 1) throw new Error(`the fill failed: ${failures.join(", ")}`);
  return { name: "fill, 3 digests", seconds: (performance.now() - started) / 1000, bytes: SIZE, delay, hits: rounds };
}

async function warmSmall(cistern: CisternContender): Promise<readonly Target[]> {
  const targets: Target[] = [];
  for (let number = 0; number < 4; number += 1) {
    const target = await cistern.target(benchBlob(`loop-small-${number}`, KIB));
    const { complete, failures } = await herd({ targets: [target] });
    if (complete !== 1) throw new Error(`no small blob: ${failures.join(", ")}`);
    targets.push(target);
  }
  return targets;
}

/** Reads hits for a second at a time, for as long as the other thing lasts. */
async function hitsUntil(other: Promise<unknown>, targets: readonly Target[]): Promise<readonly HitsResult[]> {
  const rounds: HitsResult[] = [];
  let over = false;
  const ended = other.finally(() => {
    over = true;
  });
  while (!over) {
    const round = await hits({ targets, connections: READERS, seconds: 1 });
    if (round.failed > 0) throw new Error(`${round.failed} hits failed: ${round.failure}`);
    // The last round is half without the load: it would flatter.
    if (!over || rounds.length === 0) rounds.push(round);
  }
  await ended;
  return rounds;
}

function report(figures: readonly Figures[]): ScenarioReport {
  const rows = figures.map(({ name, seconds, bytes, delay, hits: rounds }) => [
    name,
    (bytes / MIB / seconds).toFixed(0),
    delay.p50.toFixed(1),
    delay.p99.toFixed(1),
    delay.max.toFixed(1),
    median(rounds.map((round) => round.requests / round.seconds)).toFixed(0),
    median(rounds.map(({ p99 }) => p99)).toFixed(1),
    Math.max(...rounds.map(({ max }) => max)).toFixed(1),
  ]);
  return {
    tables: [
      {
        title: `Event loop while ${READERS} clients read 1 KiB hits`,
        columns: ["", "MiB/s", "late p50 ms", "p99 ms", "max ms", "hits/s", "hit p99 ms", "hit max ms"],
        rows,
      },
    ],
    bars: figures.map(({ name, delay }): Bar => atMost(`event loop during ${name}: late p99`, 20, delay.p99, " ms", 1)),
  };
}
