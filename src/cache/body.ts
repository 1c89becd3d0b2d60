/** Bytes on their way to a client. The holder calls `release` once they have left. */
export interface Piece {
  /** In order; not to be changed. */
  readonly chunks: readonly Uint8Array[];
  /** Bytes in all chunks together. */
  readonly bytes: number;
  release(): void;
}

/**
 * The bytes of one response, pulled by its writer: nothing is read ahead of the client.
 * Disposal ends a `next` that waits and frees what is held; it is allowed at any time, twice too.
 */
export interface BlobBody extends Disposable {
  /**
   * Up to `max` bytes, at least one; undefined at the end. Rejects when the bytes cannot be had or
   * did not pass verification: then the response must be reset, never ended (I1).
   */
  next(max: number): Promise<Piece | undefined>;
}
