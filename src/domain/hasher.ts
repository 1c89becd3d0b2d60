import type { Algorithm, Digests, Sha256 } from "./digest.ts";

/** The running digests of one stream. Off the event loop; memory bounded. */
export interface Hashing {
  /**
   * Takes a copy of the bytes. undefined: go on at once; a promise: wait for it before the next.
   * @param left bytes that are still to come, where that is known: the last ones are not gathered,
   *   for somebody waits for the digests
   */
  update(chunk: Uint8Array, left?: number): Promise<void> | undefined;
  /** SHA-256 of all bytes so far; the stream goes on. */
  prefix(): Promise<Sha256>;
  /** The digests of everything; ends the stream. */
  finish(): Promise<Digests & { readonly sha256: Sha256 }>;
  /** Frees what it holds, at any point. */
  abandon(): void;
}

export interface Hasher {
  /** sha256 is computed always, the others when asked for. */
  start(algorithms: readonly Algorithm[]): Hashing;
}
