import type { ObjectName } from "./content.ts";
import type { StoredObject } from "./content-store.ts";
import type { SpoolFile } from "./spool.ts";

/** A file of the tier as its keeper sees it. */
export interface HotEntry {
  readonly name: ObjectName;
  /** Bytes. */
  readonly size: number;
  /** Opens it without counting as a read; undefined: not here any more, or of another size. */
  open(): Promise<StoredObject | undefined>;
}

/**
 * Verified content as local files in front of a store that is not local. Losing any of it costs a
 * read of the store, nothing more. It never holds more than its limit.
 */
export interface HotTier {
  /** Whether content of this size is worth a place: what is larger streams from the store. */
  fits(size: number): boolean;
  /** undefined: not here, or damaged (of another size than recorded). Counts as a read. */
  open(name: ObjectName, size: number): Promise<StoredObject | undefined>;
  /**
   * Takes a sealed spool's file under this name, after what was read least recently has made room;
   * the spool's later discard finds nothing then. False when it does not fit. Readers of the spool
   * are not disturbed. `store-unavailable` when the disk fails.
   */
  keep(name: ObjectName, spool: SpoolFile, size: number): Promise<boolean>;
  /** What is here now. */
  list(): readonly HotEntry[];
  /** Drops it; absence is success. Open readers are not disturbed. */
  remove(name: ObjectName): Promise<void>;
}
