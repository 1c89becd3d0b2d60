import { setTimeout as delay } from "node:timers/promises";
import { S3Silent, S3Timeout } from "./failure.ts";

const PAUSE_MS = 1_000;

/**
 * Remembers that a server does not answer at all, so that a herd does not wait for it one by one:
 * who has another source goes there at once. It is asked in the background until it answers,
 * whatever it says, or refuses: either costs nobody any time.
 */
export class Silence implements Disposable {
  readonly #ask: (signal: AbortSignal) => Promise<unknown>;
  readonly #stop = new AbortController();
  #lasts = false;

  /** @param ask rejects with an S3Timeout when there is no answer */
  constructor(ask: (signal: AbortSignal) => Promise<unknown>) {
    this.#ask = ask;
  }

  throwIfLasting(): void {
    if (this.#lasts) throw new S3Silent();
  }

  /** Looks at what a request has failed with. */
  note(error: unknown): void {
    if (!(error instanceof S3Timeout) || this.#lasts || this.#stop.signal.aborted) return;
    this.#lasts = true;
    void this.#listen();
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  async #listen(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted && (await this.#isSilent(signal))) {
      await delay(PAUSE_MS, undefined, { signal, ref: false }).catch(() => undefined);
    }
    this.#lasts = false;
  }

  async #isSilent(signal: AbortSignal): Promise<boolean> {
    try {
      await this.#ask(signal);
      return false;
    } catch (error) {
      return error instanceof S3Timeout;
    }
  }
}
