import { readFile, rm } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { CisternExtras } from "./contenders/cistern.ts";

/** Milliseconds that the event loop was late. */
export interface LoopDelay {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
  readonly samples: number;
}

/** How to start a process whose loop is watched; `file` is where it reports. */
export function watched(file: string): CisternExtras {
  return {
    env: { BENCH_LOOP_DELAY_FILE: file },
    nodeArguments: ["--import", fileURLToPath(new URL("./loop-delay.ts", import.meta.url))],
  };
}

/** The delays since the last call. */
export async function takeLoopDelay(pid: number, file: string): Promise<LoopDelay> {
  await rm(file, { force: true });
  process.kill(pid, "SIGUSR2");
  for (const deadline = performance.now() + 10_000; performance.now() < deadline; await delay(10)) {
    const text = await readIfThere(file);
    if (text !== "") return JSON.parse(text);
  }
  throw new Error("the watched process does not report its event loop");
}

async function readIfThere(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return "";
    throw error;
  }
}
