import { setTimeout as delay } from "node:timers/promises";
import { type Memory, memoryOf } from "./proc-figures.ts";

const INTERVAL_MS = 250;

/** Watches a process's memory; every figure of `peak` is the highest seen of its kind. */
export class MemorySampler {
  readonly #pid: number;
  readonly #ended = new AbortController();
  readonly #aborted = new Promise<void>((resolve) => {
    this.#ended.signal.addEventListener("abort", () => resolve());
  });
  readonly #sampling: Promise<void>;
  #peak: Memory = { rss: 0, pss: 0, anonymous: 0 };

  constructor(pid: number) {
    this.#pid = pid;
    this.#sampling = this.#sample();
  }

  /** Samples once more, stops, and answers the peaks. */
  async stop(): Promise<Memory> {
    this.#ended.abort();
    await this.#sampling;
    return this.#peak;
  }

  async #sample(): Promise<void> {
    for (;;) {
      const now = await memoryOf(this.#pid);
      this.#peak = {
        rss: Math.max(this.#peak.rss, now.rss),
        pss: Math.max(this.#peak.pss, now.pss),
        anonymous: Math.max(this.#peak.anonymous, now.anonymous),
      };
      if (this.#ended.signal.aborted) return;
      await Promise.race([delay(INTERVAL_MS, undefined, { ref: false }), this.#aborted]);
    }
  }
}
