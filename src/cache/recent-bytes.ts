/**
 * The newest bytes of a fill, in the very chunks that came from the origin: followers that keep up
 * get them without a read and without a copy.
 */
export class RecentBytes {
  #chunks: Uint8Array[] = [];
  #offsets: number[] = [];
  #first = 0;
  #end: number;

  /** @param start offset of the first byte that will be pushed */
  constructor(start: number) {
    this.#end = start;
  }

  /** Offset of the oldest byte that is kept. */
  get start(): number {
    return this.#offsets[this.#first] ?? this.#end;
  }

  /** Offset behind the newest byte. */
  get end(): number {
    return this.#end;
  }

  push(chunk: Uint8Array): void {
    this.#chunks.push(chunk);
    this.#offsets.push(this.#end);
    this.#end += chunk.length;
  }

  /** Forgets chunks that lie wholly before `offset`. */
  dropBefore(offset: number): void {
    while (this.#first < this.#chunks.length) {
      const next = this.#offsets[this.#first + 1] ?? this.#end;
      if (next > offset) break;
      this.#first += 1;
    }
    // Compact rarely, so that dropping costs nothing per chunk.
    if (this.#first > 64 && this.#first * 2 > this.#chunks.length) {
      this.#chunks = this.#chunks.slice(this.#first);
      this.#offsets = this.#offsets.slice(this.#first);
      this.#first = 0;
    }
  }

  /** The bytes from `offset` to at most `offset + max`; `offset` must lie within start..end. */
  slice(offset: number, max: number): Uint8Array[] {
    const slices: Uint8Array[] = [];
    const until = Math.min(this.#end, offset + max);
    for (let index = this.#find(offset); index < this.#chunks.length; index += 1) {
      const chunk = this.#chunks[index];
      const at = this.#offsets[index];
      if (chunk === undefined || at === undefined || at >= until) break;
      const from = Math.max(0, offset - at);
      const to = Math.min(chunk.length, until - at);
      slices.push(from === 0 && to === chunk.length ? chunk : chunk.subarray(from, to));
    }
    return slices;
  }

  /** Index of the chunk that holds `offset`. */
  #find(offset: number): number {
    let low = this.#first;
    let high = this.#chunks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#offsets[middle] ?? 0) <= offset) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}
