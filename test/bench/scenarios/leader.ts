import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Bench } from "../bench.ts";
import { benchBlob, KIB, MIB } from "../blob.ts";
import { herd as runHerd } from "../load-program.ts";
import { atMost, exactly, type ScenarioReport } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const CLIENTS = 50;
const SIZE = 64 * MIB;
const SECONDS = 10;

/** The first client leaves, another crawls: neither costs anybody else anything (I4), and nothing stays behind. */
export const leader: Scenario = {
  name: "leader",
  needsCistern: true,
  run: measure,
};

async function measure(bench: Bench): Promise<ScenarioReport> {
  await using cistern = await bench.freshCistern();
  const spool = join(cistern.process.dataDir, "spool");
  const before = await filesUnder(spool);
  const blob = benchBlob("leader", SIZE);
  await bench.origin.setRule(blob.path, { hold: true, totalRate: Math.round(SIZE / SECONDS) });
  const result = await runHerd({
    targets: [await cistern.target(blob)],
    clients: CLIENTS,
    leaderLeavesAt: MIB,
    slow: 1,
    slowRate: 64 * KIB,
    origin: bench.origin.url,
    release: [blob.path],
    timeoutMs: 60_000,
  });
  const stats = await bench.origin.stats(blob.path);
  const left = await settled(spool, before);
  const originSeconds = (stats.lastByteAt - stats.firstByteAt) / 1e9;
  const lastDone = Math.max(...result.clients.map(({ doneAt }) => doneAt));
  const othersSeconds = (lastDone - stats.firstByteAt) / 1e9;
  const followers = result.clients.filter(({ role }) => role === "follower");
  const incomplete = followers.filter(({ complete }) => !complete).length;
  const slow = result.clients.find(({ role }) => role === "slow");
  return {
    tables: [
      {
        title: `Leader leaves after 1 MiB, one follower reads 64 KiB/s, ${followers.length} others, fetch of ${SECONDS} s`,
        columns: ["", "origin s", "others done s", "origin requests", "origin", "slow one has MiB", "files left"],
        rows: [
          [
            "cistern",
            originSeconds.toFixed(2),
            othersSeconds.toFixed(2),
            String(stats.requests),
            `${(stats.bytes / SIZE).toFixed(2)}×`,
            ((slow?.bytes ?? 0) / MIB).toFixed(1),
            left.join(", ") || "none",
          ],
        ],
      },
    ],
    bars: [
      atMost("leader leaves: others' time ÷ origin's", 1.1, othersSeconds / originSeconds, "×"),
      exactly("leader leaves: others incomplete", 0, incomplete),
      exactly("leader leaves: origin requests", 1, stats.requests),
      exactly("leader leaves: spool files left", 0, left.length),
    ],
  };
}

/** Files that came since `before` and are still there when their readers have been gone for a while. */
async function settled(directory: string, before: readonly string[]): Promise<readonly string[]> {
  const deadline = performance.now() + 10_000;
  for (;;) {
    const left = (await filesUnder(directory)).filter((name) => !before.includes(name));
    if (left.length === 0 || performance.now() > deadline) return left;
    await delay(100);
  }
}

async function filesUnder(directory: string): Promise<readonly string[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
}
