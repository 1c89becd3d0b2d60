import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { type Figure, measure } from "../eviction/figures.ts";
import { plot } from "../eviction/plot.ts";
import type { PolicyName } from "../eviction/policies.ts";
import { LAST_READ_DECIDES } from "../eviction/traces.ts";
import { atLeast, type Bar, type ScenarioReport, type Table } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const PLOT = fileURLToPath(new URL("../eviction/byte-hit-ratio.svg", import.meta.url));
const NAMES: readonly PolicyName[] = ["cistern", "lru", "lfu", "gdsf"];
/** Not the run's seed: the table and the plot in the README are these. */
const SEEDS = [1, 2, 3];
const EXTENT = { contents: 2_000, requests: 60_000 };

/** What the eviction rule saves, beside others and beside what is possible at all; writes the plot. No server runs. */
export const eviction: Scenario = {
  name: "eviction",
  run: simulateAll,
};

async function simulateAll(): Promise<ScenarioReport> {
  const figures = measure(NAMES, SEEDS, EXTENT);
  await writeFile(PLOT, plot(figures));
  return {
    tables: [
      table("Byte-hit ratio, %", figures, "bytes"),
      table("Request-hit ratio, % (the bound is of bytes)", figures, "requests"),
    ],
    bars: figures.filter(({ trace }) => trace !== LAST_READ_DECIDES).map(bar),
  };
}

function table(title: string, figures: readonly Figure[], what: "bytes" | "requests"): Table {
  const rows = figures.map(({ trace, size, ratios, bound }) => [
    trace,
    percent(size, 0),
    ...NAMES.map((name) => percent(ratios.get(name)?.[what] ?? 0)),
    percent(bound()),
  ]);
  return { title, columns: ["trace", "cache", ...NAMES, "bound"], rows };
}

/** To a tenth of a percent point, which is how finely three seeds tell. */
function bar({ trace, size, ratios }: Figure): Bar {
  const ahead = 100 * ((ratios.get("cistern")?.bytes ?? 0) - (ratios.get("lru")?.bytes ?? 1));
  return atLeast(`eviction: ahead of LRU on ${trace} at ${percent(size, 0)} %`, 0, Math.round(10 * ahead) / 10, "", 1);
}

function percent(ratio: number, digits = 1): string {
  return (100 * ratio).toFixed(digits);
}
