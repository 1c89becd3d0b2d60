/**
 * `npm run bench`: Cistern beside nginx, Varnish and Squid (those that are installed), same origin,
 * same run, everything on 127.0.0.1 and in a temporary directory. Needs Linux, and Go to build the
 * load program. Takes about ten minutes, and a machine that does nothing else.
 *
 *   npm run bench -- --only herd,hits   some scenarios
 *   npm run bench -- --json FILE        the figures as JSON as well
 *   npm run bench -- --without squid,"nginx slice"   (or cistern: the peers alone)
 *   npm run bench -- --seed N           the same faults again
 *
 * Exit code 0: every bar reached.
 */
import { writeFile } from "node:fs/promises";
import { parseArgs } from "node:util";
import { Bench, CACHES } from "./bench.ts";
import { buildLoad } from "./load-program.ts";
import { renderBars, renderTable, type ScenarioReport } from "./report.ts";
import { cluster } from "./scenarios/cluster.ts";
import { cold } from "./scenarios/cold.ts";
import { eviction } from "./scenarios/eviction.ts";
import { faults } from "./scenarios/faults.ts";
import { herd } from "./scenarios/herd.ts";
import { hits } from "./scenarios/hits.ts";
import { leader } from "./scenarios/leader.ts";
import { loop } from "./scenarios/loop.ts";
import { resets } from "./scenarios/resets.ts";
import type { Scenario } from "./scenarios/scenario.ts";
import { streams } from "./scenarios/streams.ts";

const SCENARIOS: readonly Scenario[] = [cold, herd, hits, leader, resets, streams, loop, faults, cluster, eviction];

interface Outcome {
  readonly scenario: string;
  readonly seconds: number;
  readonly report?: ScenarioReport;
  readonly error?: string;
}

/** Runs the chosen scenarios one after the other; answers the exit code. */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: {
      only: { type: "string" },
      json: { type: "string" },
      without: { type: "string" },
      seed: { type: "string" },
    },
  });
  const without = new Set(values.without?.split(",") ?? []);
  refuseUnknown([...without], CACHES);
  const chosen = choose(values.only, without);
  for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));
  await buildLoad();
  await using bench = await Bench.open({
    seed: Number(values.seed ?? Date.now() % 1e9),
    without,
  });
  const outcomes: Outcome[] = [];
  for (const scenario of chosen) {
    const outcome = await runOne(scenario, bench);
    outcomes.push(outcome);
    show(outcome);
  }
  const bars = outcomes.flatMap(({ report }) => report?.bars ?? []);
  if (bars.length > 0) console.log(`\n${renderBars(bars)}`);
  for (const name of bench.missing) console.log(`not installed, left out: ${name}`);
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(outcomes, undefined, 2)}\n`);
  return outcomes.every(({ error }) => error === undefined) && bars.every(({ pass }) => pass) ? 0 : 1;
}

function choose(only: string | undefined, without: ReadonlySet<string>): readonly Scenario[] {
  const all = SCENARIOS.map(({ name }) => name);
  const names = only?.split(",") ?? all;
  refuseUnknown(names, all);
  const inside = !without.has("cistern");
  return SCENARIOS.filter(({ name, needsCistern }) => names.includes(name) && (inside || needsCistern !== true));
}

function refuseUnknown(names: readonly string[], known: readonly string[]): void {
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) throw new Error(`unknown: ${unknown.join(", ")}; there are ${known.join(", ")}`);
}

async function runOne(scenario: Scenario, bench: Bench): Promise<Outcome> {
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  try {
    const report = await scenario.run(bench);
    return { scenario: scenario.name, seconds: seconds(), report };
  } catch (error) {
    // One scenario that cannot be measured must not cost the others; the run fails all the same.
    return { scenario: scenario.name, seconds: seconds(), error: String(error instanceof Error ? error.stack : error) };
  }
}

function show({ scenario, seconds, report, error }: Outcome): void {
  console.log(`\n== ${scenario} (${seconds.toFixed(0)} s)`);
  for (const table of report?.tables ?? []) console.log(renderTable(table));
  if (error !== undefined) console.error(error);
}

process.exitCode = await main();
