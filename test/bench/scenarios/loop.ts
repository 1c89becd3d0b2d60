import { join } from "node:path";
import { registerImage } from "../../support/register-image.ts";
import type { Bench } from "../bench.ts";
import { benchBlob, GIB, KIB, MIB } from "../blob.ts";
import type { CisternContender } from "../contenders/cistern.ts";
import { type HitsResult, herd, hits, type Target } from "../load-program.ts";
import { type LoopDelay, takeLoopDelay, watched } from "../loop-delay-reader.ts";
import { median } from "../quantile.ts";
import { atMost, type Bar, type ScenarioReport } from "../report.ts";
import { seedCatalog } from "../seed-catalog.ts";
import type { Scenario } from "./scenario.ts";

const READERS = 16;
const SIZE = 2 * GIB;
const ROWS = 100_000;
const HOUSEKEEPING_SECONDS = 12;
const UNUSED = "0".repeat(64);

interface Figures {
  readonly name: string;
  /** What went on beside the hits. */
  readonly done: string;
  readonly delay: LoopDelay;
  readonly hits: readonly HitsResult[];
}

/** The event loop of the process, seen from inside, while 16 clients read 1 KiB hits. */
export const loop: Scenario = {
  name: "loop",
  needsCistern: true,
  async run(bench) {
    return report([await duringFill(bench), await duringHousekeeping(bench)]);
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
  const rate = SIZE / MIB / ((performance.now() - started) / 1000);
  return { name: "a fill with 3 digests", delay, hits: rounds, done: `fill at ${rate.toFixed(0)} MiB/s` };
}

/** A catalog of 10⁵ records is vacuumed again and again, while new records come in. */
async function duringHousekeeping(bench: Bench): Promise<Figures> {
  const file = join(bench.directory, "loop-delay.json");
  const dataDir = await seededDataDir(bench);
  const watch = watched(file);
  await using cistern = await bench.freshCistern(
    { ...watch, env: { ...watch.env, CISTERN_HOUSEKEEP_INTERVAL: "PT2S" } },
    dataDir,
  );
  await takeLoopDelay(cistern.pid, file);
  const small = await warmSmall(cistern);
  const registered = registerFor(cistern, HOUSEKEEPING_SECONDS);
  const rounds = await hitsUntil(registered, small);
  const delay = await takeLoopDelay(cistern.pid, file);
  return { name: "housekeeping over 10⁵ rows", delay, hits: rounds, done: `${await registered} registered` };
}

async function seededDataDir(bench: Bench): Promise<string> {
  const cistern = await bench.freshCistern();
  const { dataDir } = cistern.process;
  await cistern[Symbol.asyncDispose]();
  await seedCatalog(join(dataDir, "catalog"), ROWS);
  return dataDir;
}

async function registerFor(cistern: CisternContender, seconds: number): Promise<number> {
  const until = performance.now() + seconds * 1000;
  let count = 0;
  while (performance.now() < until) {
    await registerImage(cistern.process, `registered-${count}`, { url: "http://127.0.0.1:9/none", sha256: UNUSED });
    count += 1;
  }
  return count;
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
  const rows = figures.map(({ name, done, delay, hits: rounds }) => [
    name,
    done,
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
        columns: ["", "beside", "late p50 ms", "p99 ms", "max ms", "hits/s", "hit p99 ms", "hit max ms"],
        rows,
      },
    ],
    bars: figures.map(({ name, delay }): Bar => atMost(`event loop during ${name}: late p99`, 20, delay.p99, " ms", 1)),
  };
}
