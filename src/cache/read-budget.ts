const MIN_READ = 64 * 1024;
const POOLED = 1024 * 1024;
/** Buffers of so many bytes or fewer are never used again: who holds one may keep it. */
export const NEVER_POOLED = MIN_READ;

/**
 * Bounds the memory of all reads that are in flight: while there is room a reader gets what it asks
 * for, after that 64 KiB, so that nobody waits for somebody who stalls.
 */
export class ReadBudget {
  readonly #limit: number;
  readonly #free: Buffer[] = [];
  #outstanding = 0;

  /** @param limit bytes that may be in flight before reads become small */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** How many bytes a reader that wants `want` may hold now. */
  grant(want: number): number {
    return this.#outstanding + want <= this.#limit ? want : Math.min(want, MIN_READ);
  }

  /** Notes bytes that a reader holds until `give`. */
  hold(bytes: number): void {
    this.#outstanding += bytes;
  }

  give(bytes: number): void {
    this.#outstanding -= bytes;
  }

  /** A buffer of at least `bytes`; from the pool when it is a large one. */
  take(bytes: number): Buffer {
    if (bytes <= MIN_READ) return Buffer.allocUnsafeSlow(bytes);
    return this.#free.pop() ?? Buffer.allocUnsafeSlow(Math.max(bytes, POOLED));
  }

  /** Gives a buffer back that nobody reads any more. */
  recycle(buffer: Buffer): void {
    if (buffer.length === POOLED && this.#free.length * POOLED < this.#limit / 4) this.#free.push(buffer);
  }
}
