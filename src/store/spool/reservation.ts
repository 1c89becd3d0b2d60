import type { SpoolSpace } from "./spool-space.ts";

/** The part of the spool's space that one file has. */
export class Reservation {
  readonly #space: SpoolSpace;
  #bytes: number;
  #written: number;
  #released = false;

  private constructor(space: SpoolSpace, bytes: number, written: number) {
    this.#space = space;
    this.#bytes = bytes;
    this.#written = written;
  }

  /** Reserves for a new file; `spool-full` when there is not that much room. */
  static async take(space: SpoolSpace, bytes: number): Promise<Reservation> {
    return new Reservation(space, bytes === 0 ? 0 : await space.reserve(bytes, bytes), 0);
  }

  /** Takes over bytes that lie on the disk and are counted already. */
  static adopt(space: SpoolSpace, bytes: number): Reservation {
    return new Reservation(space, bytes, bytes);
  }

  covers(end: number): boolean {
    return end <= this.#bytes;
  }

  /**
   * Grows so that a file of `end` bytes has room, with some more for what follows.
   * @param size bytes that the file will have in the end, when that is known
   */
  async grow(end: number, size: number | undefined): Promise<void> {
    const least = end - this.#bytes;
    if (least <= 0) return;
    const rest = size === undefined || size < end ? this.#space.step : size - this.#bytes;
    const granted = await this.#space.reserve(least, Math.max(least, rest));
    if (this.#released) this.#space.release(granted, granted);
    else this.#bytes += granted;
  }

  wrote(bytes: number): void {
    this.#written += bytes;
    if (!this.#released) this.#space.wrote(bytes);
  }

  /** Gives back what was not needed. */
  trim(): void {
    if (this.#released) return;
    const surplus = this.#bytes - this.#written;
    this.#bytes = this.#written;
    this.#space.release(surplus, surplus);
  }

  /** Gives everything back; a second time is no error. */
  release(): void {
    if (this.#released) return;
    this.#released = true;
    this.#space.release(this.#bytes, this.#bytes - this.#written);
  }
}
