import type { ObjectName } from "./content.ts";
import type { SpoolFile } from "./spool.ts";

/** An object that is open for reading: it stays readable until closed, even when removed meanwhile. */
export interface StoredObject extends AsyncDisposable {
  /** Bytes. */
  readonly size: number;
  /**
   * Fills `into` from byte `offset` on; answers how many bytes were read, fewer than asked only at
   * the end. `store-unavailable` when the store fails.
   */
  read(into: Buffer, offset: number): Promise<number>;
}

/**
 * Bytes of a spool on their way into the store while they still arrive. Nothing is visible before
 * `commit`; disposal without it drops what was taken.
 */
export interface Staging extends AsyncDisposable {
  /**
   * The spool's first `bytes` can be read: the store may take them now. Returns at once; what fails
   * behind it is told by `commit`.
   */
  advance(bytes: number): void;
  /**
   * Makes the sealed spool's bytes durable under their name; it may take the file itself, so that
   * the spool's later discard finds nothing. Readers of the spool are not disturbed. `spool-full`
   * when there is no room, `store-unavailable` on any other doubt: then it may be there or not.
   */
  commit(signal: AbortSignal): Promise<void>;
}

export interface ListedObject extends ObjectName {
  /** When it came, by the store's clock; undefined: the listing does not tell. */
  readonly writtenAt?: Date;
}

/** Where verified content lives. `store-unavailable` on any doubt, never `undefined` (I7). */
export interface ContentStore {
  /** undefined: certainly absent, or not of this size (a damaged object is no hit). */
  open(name: ObjectName, size: number): Promise<StoredObject | undefined>;
  /**
   * Begins to take the bytes of a spool under this name; does no I/O by itself.
   * @param size bytes of the whole, when known
   */
  stage(name: ObjectName, spool: SpoolFile, size: number | undefined): Staging;
  /** Drops what writers that are dead left unfinished, if it is older than `olderThan`. Answers how many went. */
  sweep(olderThan: Date, signal: AbortSignal): Promise<number>;
  /** Resolves when the store answers; `store-unavailable`. */
  ping(signal: AbortSignal): Promise<void>;
  /** Removes; absence is success. Open readers are not disturbed where the store can do so. */
  remove(name: ObjectName): Promise<void>;
  /** Every object that is there, in no order. */
  list(signal: AbortSignal): AsyncIterable<ListedObject>;
}
