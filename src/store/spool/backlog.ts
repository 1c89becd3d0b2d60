/** Bytes that one file may have unwritten before its writer is made to wait. */
const FILE_HIGH = 8 * 1024 * 1024;
/** The same when all files together hold more than `ALL_HIGH`: many streams must not grow memory. */
const CROWDED_HIGH = 256 * 1024;
const ALL_HIGH = 64 * 1024 * 1024;

/** The bytes in memory that wait to be written, of all files of a spool. */
export class Backlog {
  #bytes = 0;

  add(bytes: number): void {
    this.#bytes += bytes;
  }

  /** Unwritten bytes from which on a writer has to wait. */
  get high(): number {
    return this.#bytes < ALL_HIGH ? FILE_HIGH : CROWDED_HIGH;
  }
}
