import type { Validator } from "./source.ts";

/** What a later process needs in order to go on with a spool: kept beside the bytes. */
export interface SpoolHeader {
  /** The fill's key. */
  readonly key: string;
  /** The location that the bytes came from, secrets included (the file has mode 0600). */
  readonly url: string;
  readonly validator: Validator | undefined;
  /** Bytes of the whole, when announced or recorded. */
  readonly size: number | undefined;
}

/** What an earlier process left of a fill: bytes up to the last checkpoint are synced. */
export interface SpoolRemains {
  readonly header: SpoolHeader;
  readonly file: SpoolFile;
  /** Bytes up to which the spool was synced, and the SHA-256 of that prefix. */
  readonly checkpoint: { readonly offset: number; readonly sha256: string };
}

/**
 * The local file that one fill writes and its followers read. Bytes are appended in order; memory
 * held for bytes not yet written is bounded.
 */
export interface SpoolFile extends AsyncDisposable {
  /** Absolute path of the bytes: for a store that can take the file itself. */
  readonly path: string;
  /** Bytes that `read` can deliver. Grows; never beyond what was appended. */
  readonly written: number;
  /**
   * Queues bytes, which the caller must not change afterwards. undefined: go on at once; a promise:
   * wait for it before the next append. A failed write rejects this or the next append, and `seal`:
   * `spool-full` when the disk or the limit is full; what `written` says stays readable.
   */
  append(chunk: Uint8Array): Promise<void> | undefined;
  /** Fills `into` from `offset` on, up to `written`; answers how many bytes were read. */
  read(into: Buffer, offset: number): Promise<number>;
  /** Writes and syncs everything that was appended. */
  seal(): Promise<void>;
  /** Deletes the bytes and the sidecar. Open readers of this object may go on until disposal. */
  discard(): Promise<void>;
}

/** Keeps resume points of a spool while it is written. */
export interface SpoolJournal {
  /** Replaces the header: another source took over, or a validator became known. */
  begin(file: SpoolFile, header: SpoolHeader): Promise<void>;
  /**
   * Notes that the first `offset` bytes have this SHA-256. Syncs the bytes first; runs in the
   * background of the fill, at most 4 syncs at once in the process.
   */
  checkpoint(file: SpoolFile, offset: number, sha256: string): Promise<void>;
}

export interface Spool extends SpoolJournal {
  /**
   * Reserves and creates. `reserve` bytes are accounted before it resolves; `spool-full` when the
   * limit or the disk has not that much room, after what earlier processes left was dropped.
   */
  create(reserve: number): Promise<SpoolFile>;
  /** Opens what an earlier process left for this key, cut back to its last checkpoint; undefined: nothing usable. */
  reopen(key: string): Promise<SpoolRemains | undefined>;
  /** At start: drops what cannot be resumed (no header, torn, older than `olderThan`). Answers how many went. */
  sweep(olderThan: Date): Promise<number>;
}
