const MIB = 1024 * 1024;

/** https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html */
const MAX_PARTS = 10_000;
/** So many parts of one size, then they double: a size that nobody announced does not run out of parts. */
const PARTS_PER_SIZE = 2_500;

export interface Part {
  /** From 1. */
  readonly number: number;
  readonly offset: number;
  readonly length: number;
}

/** Cuts a spool into parts, in order, as its bytes arrive. */
export class PartPlan {
  readonly #partBytes: number;
  readonly #largest: number;
  readonly #announced: boolean;
  #count = 0;
  #offset = 0;

  /**
   * @param size bytes of the whole, when known
   * @param largest bytes of a part that memory allows
   */
  constructor(partBytes: number, largest: number, size: number | undefined) {
    const needed = Math.ceil((size ?? 0) / MAX_PARTS / MIB) * MIB;
    this.#announced = size !== undefined;
    this.#partBytes = Math.min(Math.max(partBytes, needed), largest);
    this.#largest = largest;
  }

  /** Whether `next` would have a part: all bytes are there when `whole`. */
  has(available: number, whole: boolean): boolean {
    const left = available - this.#offset;
    return whole ? left > 0 : left >= this.#length();
  }

  /** undefined: there is no whole part yet, or nothing is left. Throws when S3 takes no more parts. */
  next(available: number, whole: boolean): Part | undefined {
    if (!this.has(available, whole)) return undefined;
    if (this.#count === MAX_PARTS) throw new RangeError(`more than ${MAX_PARTS} parts`);
    const length = Math.min(this.#length(), available - this.#offset);
    this.#count += 1;
    const part = { number: this.#count, offset: this.#offset, length };
    this.#offset += length;
    return part;
  }

  #length(): number {
    if (this.#announced) return this.#partBytes;
    return Math.min(this.#partBytes * 2 ** Math.floor(this.#count / PARTS_PER_SIZE), this.#largest);
  }
}
