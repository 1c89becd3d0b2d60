/** Memory that nobody used for so long is given back. */
const KEEP_MS = 10_000;

/** What is smaller is as quickly allocated anew. */
const KEPT_FROM = 1024 * 1024;

interface Waiter {
  readonly bytes: number;
  go(): void;
}

/** A buffer that must be given back; only then may another upload use its memory. */
export interface PartBuffer extends Disposable {
  readonly bytes: Buffer;
}

/** The memory of all uploads together: who finds none waits in line. */
export class PartBuffers {
  readonly #limit: number;
  readonly #free: Buffer[] = [];
  readonly #waiting: Waiter[] = [];
  #used = 0;
  #drop: NodeJS.Timeout | undefined;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Largest buffer that can be had. */
  get largest(): number {
    return this.#limit;
  }

  async take(length: number, signal: AbortSignal): Promise<PartBuffer> {
    if (length > this.#limit) throw new RangeError("a part is larger than the memory for parts");
    signal.throwIfAborted();
    if (this.#waiting.length > 0 || this.#used + length > this.#limit) await this.#wait(length, signal);
    else this.#used += length;
    const buffer = this.#reuse(length);
    let given = false;
    return {
      bytes: buffer.subarray(0, length),
      [Symbol.dispose]: () => {
        if (given) return;
        given = true;
        this.#give(buffer, length);
      },
    };
  }

  async #wait(bytes: number, signal: AbortSignal): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter = { bytes, go: resolve };
    const leave = () => {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      this.#wake();
      reject(signal.reason);
    };
    this.#waiting.push(waiter);
    signal.addEventListener("abort", leave, { once: true });
    try {
      await promise;
    } finally {
      signal.removeEventListener("abort", leave);
    }
  }

  /** The memory is counted before the waiter runs, so that nobody takes it in between. */
  #wake(): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      if (this.#used + first.bytes > this.#limit) return;
      this.#used += first.bytes;
      this.#waiting.shift();
      first.go();
    }
  }

  /** Free memory of another size makes room: what is free and what is used never exceed the limit together. */
  #reuse(length: number): Buffer {
    const found = this.#free.findIndex((buffer) => buffer.length === length);
    if (found >= 0) return this.#free.splice(found, 1)[0] ?? Buffer.allocUnsafeSlow(length);
    let free = this.#free.reduce((sum, buffer) => sum + buffer.length, 0);
    while (free > 0 && this.#used + free > this.#limit) free -= this.#free.shift()?.length ?? 0;
    return Buffer.allocUnsafeSlow(length);
  }

  #give(buffer: Buffer, length: number): void {
    this.#used -= length;
    if (length >= KEPT_FROM) this.#free.push(buffer);
    this.#drop ??= setTimeout(() => {
      this.#drop = undefined;
      this.#free.length = 0;
    }, KEEP_MS).unref();
    this.#drop.refresh();
    this.#wake();
  }
}
