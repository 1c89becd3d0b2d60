import type { Bench } from "../bench.ts";
import { type BenchBlob, benchBlob, GIB, MIB } from "../blob.ts";
import { type HerdResult, herd as runHerd, type Target } from "../load-program.ts";
import { MemorySampler } from "../memory-sampler.ts";
import { memoryOf } from "../proc-figures.ts";
import { atMost, exactly, type ScenarioReport } from "../report.ts";
import type { Scenario } from "./scenario.ts";

const CLIENTS = 200;
const STALLED = 50;
const BLOBS = 4;
const SIZE = GIB;
const FETCH_SECONDS = 25;
const RUN_SECONDS = 35;

/**
 * 200 cold streams of 1 GiB each, 50 of which read nothing after their first byte. The readers want
 * more than the machine can give, so most of them lag behind the fills; what counts is the memory.
 */
export const streams: Scenario = {
  name: "streams",
  needsCistern: true,
  run: measure,
};

async function measure(bench: Bench): Promise<ScenarioReport> {
  await using cistern = await bench.freshCistern();
  const blobs: BenchBlob[] = [];
  const targets: Target[] = [];
  for (let number = 0; number < BLOBS; number += 1) {
    const blob = benchBlob(`stream-${number}`, SIZE);
    await bench.origin.setRule(blob.path, { hold: true, totalRate: Math.round(SIZE / FETCH_SECONDS) });
    targets.push(await cistern.target(blob));
    blobs.push(blob);
  }
  const idle = await memoryOf(cistern.pid);
  const sampler = new MemorySampler(cistern.pid);
  const result = await runHerd({
    targets,
    clients: CLIENTS,
    stalled: STALLED,
    origin: bench.origin.url,
    release: blobs.map(({ path }) => path),
    cutAllAtMs: RUN_SECONDS * 1000,
    timeoutMs: 120_000,
  });
  const peak = await sampler.stop();
  const after = await memoryOf(cistern.pid);
  const stats = await Promise.all(blobs.map(({ path }) => bench.origin.stats(path)));
  const fetched = stats.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    tables: [
      {
        title: `${CLIENTS} cold streams of ${BLOBS} blobs of 1 GiB, ${STALLED} stalled, cut off after ${RUN_SECONDS} s`,
        columns: ["MiB", "RSS", "PSS", "anonymous", "read by clients", "fetched", "failures"],
        rows: [
          ["idle", mib(idle.rss), mib(idle.pss), mib(idle.anonymous), "", "", ""],
          [
            "peak",
            mib(peak.rss),
            mib(peak.pss),
            mib(peak.anonymous),
            mib(result.bytes),
            mib(fetched),
            failuresOf(result),
          ],
          ["after", mib(after.rss), mib(after.pss), mib(after.anonymous), "", "", ""],
        ],
      },
    ],
    bars: [
      atMost("200 streams: resident memory over idle", 200, (peak.rss - idle.rss) / MIB, " MiB", 0),
      exactly("200 streams: failures", 0, result.failed),
    ],
  };
}

function failuresOf(result: HerdResult): string {
  return result.failed === 0 ? "0" : `${result.failed}: ${result.failures.join("; ")}`;
}

function mib(bytes: number): string {
  return (bytes / MIB).toFixed(0);
}
