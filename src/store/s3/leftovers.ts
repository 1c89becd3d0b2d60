import { setTimeout as delay } from "node:timers/promises";

const PAUSE_MS = 5_000;
/** A request that was given up may be carried out after its object has been removed: so it is again. */
const TIMES = 3;
/** Of a server that was away for long; what is more is left to the operator. */
const MOST = 10_000;

/**
 * Objects whose making was given up in doubt, and that a server which hung makes all the same when
 * it goes on. Nothing names them: they are removed in the background once it answers again.
 */
export class Leftovers implements Disposable {
  readonly #remove: (key: string, signal: AbortSignal) => Promise<unknown>;
  readonly #stop = new AbortController();
  /** How often each is to be removed yet. */
  readonly #keys = new Map<string, number>();
  #running = false;

  /** @param remove rejects while the server is away; what is not there is no error */
  constructor(remove: (key: string, signal: AbortSignal) => Promise<unknown>) {
    this.#remove = remove;
  }

  add(key: string): void {
    if (this.#keys.size < MOST) this.#keys.set(key, TIMES);
    if (!this.#running) void this.#run();
  }

  /** Somebody makes it anew. */
  forget(key: string): void {
    this.#keys.delete(key);
  }

  [Symbol.dispose](): void {
    this.#stop.abort();
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop;
    this.#running = true;
    while (this.#keys.size > 0 && !signal.aborted) {
      await delay(PAUSE_MS, undefined, { signal, ref: false }).catch(() => undefined);
      await this.#removeAll(signal);
    }
    this.#running = false;
  }

  async #removeAll(signal: AbortSignal): Promise<void> {
    for (const key of [...this.#keys.keys()]) {
      if (!this.#keys.has(key)) continue;
      try {
        await this.#remove(key, signal);
      } catch {
        return; // it is away still: at the next turn
      }
      const times = this.#keys.get(key) ?? 0;
      if (times > 1) this.#keys.set(key, times - 1);
      else this.#keys.delete(key);
    }
  }
}
