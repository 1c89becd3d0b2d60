import { writeFileSync } from "node:fs";
import { monitorEventLoopDelay } from "node:perf_hooks";

// A preload (`node --import`) of the measured process: at each SIGUSR2 it writes the event loop's
// delays since the last one to the file that BENCH_LOOP_DELAY_FILE names, and starts anew.
const MILLISECOND = 1e6;
const RESOLUTION_MS = 1;

const file = process.env.BENCH_LOOP_DELAY_FILE;
if (file !== undefined) {
  const histogram = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  histogram.enable();
  process.on("SIGUSR2", () => {
    const delay = (nanoseconds: number) => Math.max(0, nanoseconds / MILLISECOND - RESOLUTION_MS);
    const figures = {
      p50: delay(histogram.percentile(50)),
      p99: delay(histogram.percentile(99)),
      p999: delay(histogram.percentile(99.9)),
      max: delay(histogram.max),
      samples: histogram.count,
    };
    histogram.reset();
    writeFileSync(file, JSON.stringify(figures));
  });
}
