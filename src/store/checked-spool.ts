import { crc32 } from "node:zlib";
import type { StoredObject } from "../domain/content-store.ts";
import { CisternError } from "../domain/errors.ts";
import type { SpoolFile } from "../domain/spool.ts";

const PIECE = 1024 * 1024;

/**
 * An object of one store as the spool that another one takes. It was read and verified before it is
 * read again here: what a disk delivers the second time must be what was verified.
 */
export class CheckedSpool implements SpoolFile {
  readonly #object: StoredObject;
  readonly #onRead: (end: number) => void;
  readonly #sums: number[] = [];

  /** @param onRead told up to which offset it was read */
  constructor(object: StoredObject, onRead: (end: number) => void) {
    this.#object = object;
    this.#onRead = onRead;
  }

  /** A piece of the first reading: 1 MiB each, the last one what is left. */
  note(piece: Uint8Array): void {
    this.#sums.push(crc32(piece));
  }

  /** No file to be taken: the object stays where it is. */
  get path(): string {
    throw new CisternError("internal", "an object of another store is not to be taken");
  }

  get written(): number {
    return this.#object.size;
  }

  append(): Promise<void> {
    return Promise.reject(new CisternError("internal", "stored content is not to be changed"));
  }

  async read(into: Buffer, offset: number): Promise<number> {
    const length = Math.max(0, Math.min(into.length, this.written - offset));
    for (let filled = 0; filled < length; )
      filled += await this.#readPiece(into.subarray(filled, length), offset + filled);
    this.#onRead(offset + length);
    return length;
  }

  async seal(): Promise<void> {}

  async discard(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}

  /** Fills `into` with what the piece at `offset` has from there on; answers how much that is. */
  async #readPiece(into: Buffer, offset: number): Promise<number> {
    const index = Math.floor(offset / PIECE);
    const start = index * PIECE;
    const length = Math.min(PIECE, this.written - start);
    const whole = offset === start && into.length >= length;
    const piece = whole ? into.subarray(0, length) : Buffer.allocUnsafe(length);
    const read = await this.#object.read(piece, start);
    if (read !== length || crc32(piece) !== this.#sums[index]) {
      throw new CisternError("store-unavailable", "the disk does not give the same bytes twice");
    }
    return whole ? length : piece.copy(into, 0, offset - start);
  }
}
