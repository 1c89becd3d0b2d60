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

/** Where verified content lives. `store-unavailable` on any doubt, never `undefined` (I7). */
export interface ContentStore {
  /** undefined: certainly absent, or not of this size (a damaged object is no hit). */
  open(name: ObjectName, size: number): Promise<StoredObject | undefined>;
  /**
   * Makes the sealed spool's bytes durable under their name; it may take the file itself, so that
   * the spool's later discard finds nothing. Readers of the spool are not disturbed. `spool-full`
   * when there is no room. Nothing is visible before it resolves.
   */
  admit(name: ObjectName, spool: SpoolFile, signal: AbortSignal): Promise<void>;
  /** Removes; absence is success. Open readers are not disturbed where the store can do so. */
  remove(name: ObjectName): Promise<void>;
  /** Every object that is there, in no order. */
  list(signal: AbortSignal): AsyncIterable<ObjectName>;
}
