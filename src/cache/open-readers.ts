import type { BlobRef } from "../domain/blob.ts";
import type { ObjectName } from "../domain/content.ts";
import type { Sha256 } from "../domain/digest.ts";
import type { CisternError } from "../domain/errors.ts";
import type { BlobBody, Piece } from "./body.ts";

/** Whose bytes a reader gets. */
export interface ReadBytes {
  /** undefined: nobody knows yet. */
  readonly sha256: Sha256 | undefined;
  /** The object that they come from; undefined: from a fill. */
  readonly object: ObjectName | undefined;
}

/** A response under way that may be ended from elsewhere. */
export interface OpenReader {
  readonly ref: BlobRef;
  /** Token and address. */
  readonly caller: string;
  cut(error: CisternError): void;
}

/** A body that can be taken back while it is being sent. */
export interface ServedBody extends BlobBody {
  /** Told at once, though the client may not be taking anything: the response is to be reset. */
  onCut(told: (error: CisternError) => void): void;
}

/** Who reads what here: bytes that are blocked or found damaged are taken back from their readers. */
export class OpenReaders {
  readonly #open = new Set<Reader>();

  /** The body, known from now on until it is disposed. */
  watch(body: BlobBody, ref: BlobRef, caller: string, bytes: () => ReadBytes): ServedBody {
    const reader = new Reader(body, ref, caller, bytes, () => this.#open.delete(reader));
    this.#open.add(reader);
    return reader;
  }

  of(sha256: Sha256): readonly OpenReader[] {
    return this.#where((bytes) => bytes.sha256 === sha256);
  }

  ofObject({ sha256, fence }: ObjectName): readonly OpenReader[] {
    return this.#where(({ object }) => object?.sha256 === sha256 && object.fence === fence);
  }

  #where(wanted: (bytes: ReadBytes) => boolean): readonly OpenReader[] {
    return [...this.#open].filter((reader) => wanted(reader.bytes()));
  }
}

class Reader implements ServedBody, OpenReader {
  readonly ref: BlobRef;
  readonly caller: string;
  readonly bytes: () => ReadBytes;
  readonly #body: BlobBody;
  readonly #onClosed: () => void;
  #failure: CisternError | undefined;
  #told: ((error: CisternError) => void) | undefined;

  constructor(body: BlobBody, ref: BlobRef, caller: string, bytes: () => ReadBytes, onClosed: () => void) {
    this.#body = body;
    this.ref = ref;
    this.caller = caller;
    this.bytes = bytes;
    this.#onClosed = onClosed;
  }

  async next(max: number): Promise<Piece | undefined> {
    if (this.#failure !== undefined) throw this.#failure;
    const piece = await this.#body.next(max);
    if (this.#failure === undefined) return piece;
    piece?.release();
    throw this.#failure;
  }

  cut(error: CisternError): void {
    if (this.#failure !== undefined) return;
    this.#failure = error;
    this.#told?.(error);
  }

  onCut(told: (error: CisternError) => void): void {
    this.#told = told;
    if (this.#failure !== undefined) told(this.#failure);
  }

  [Symbol.dispose](): void {
    this.#onClosed();
    this.#body[Symbol.dispose]();
  }
}
