import type { BlobId, DigestSource } from "./blob.ts";
import type { ContentRecord, Fence, ObjectName } from "./content.ts";
import type { Digests, Sha256 } from "./digest.ts";
import type { Lease } from "./lease.ts";

/** On whose account content is kept, and for how long it is to stay. */
export interface ContentAccount {
  /** The project whose record caused the fetch. */
  readonly project: string;
  /** Host (and port) that delivered it; empty: unknown. */
  readonly origin: string;
  /** Milliseconds that eviction leaves it alone (`min_age`). */
  readonly keepMs?: number;
  /** Milliseconds after which it goes (`max_age`). */
  readonly dropMs?: number;
}

export interface Admission {
  /** The lease under which the content was fetched; its fence is the object's. */
  readonly lease: Lease;
  /** The records that the fill was for: they earn the content. */
  readonly blobs: readonly BlobId[];
  readonly digests: Digests & { readonly sha256: Sha256 };
  /** Bytes. */
  readonly size: number;
  /** How the digests that were not recorded before came to be known. */
  readonly digestSource: DigestSource;
  readonly account: ContentAccount;
}

/** What became of an admission. */
export type Admitted =
  /** The row names the object of this fence, instead of `replaced`, which was damaged and which nobody reads any more. */
  | { readonly kind: "admitted"; readonly object: ObjectName; readonly replaced?: ObjectName }
  /** The content was there already: the records have earned it, the new object is surplus. */
  | { readonly kind: "existing"; readonly object: ObjectName }
  /** No record names it any more: the new object is surplus. */
  | { readonly kind: "unreferenced" };

/** Which condemned contents are left for later. */
export interface Sparing {
  /** Those condemned less than so many milliseconds ago, by the catalog's clock: readers that have just begun are not in any heartbeat. */
  readonly graceMs: number;
  /** Those that a living replica has open, as its last heartbeat tells. */
  readonly spareOpen: boolean;
}

export interface ContentUse {
  readonly count: number;
  /** Bytes of all contents. */
  readonly bytes: number;
  /** Of these, bytes that are condemned and on their way out. */
  readonly condemnedBytes: number;
}

/** Admitted content. A row exists only for bytes that are durable in the store (I2). */
export interface ContentCatalog {
  /**
   * One transaction: compare the fence with the lease row (`precondition-failed` when it was taken
   * over), look for a record that still refers, write or revive the content, record digests and
   * size of the blobs (`digest-mismatch` when one contradicts), end the lease. What was reserved
   * under its fence is content from then on.
   */
  admit(admission: Admission): Promise<Admitted>;
  /** Contents without an internal blob, not condemned, least recently read first. */
  leastRecentlyRead(limit: number): Promise<readonly ContentRecord[]>;
  /**
   * Condemns cached content: from the commit on nobody opens it anew, and no blob has earned it.
   * False, and no change, when an internal blob names it, it is gone, or lies under another object
   * by now: whoever condemns what it could not read may have looked at the one before. What is
   * irreplaceable is quarantined instead: nobody opens it either, and nothing of it is removed.
   */
  condemn(object: ObjectName): Promise<boolean>;
  /**
   * Objects that are to be removed now: of condemned contents, and those that a content which came back
   * does not lie under any more; the oldest first. Without `sparing` nothing is spared.
   */
  condemned(limit: number, sparing?: Sparing): Promise<readonly ObjectName[]>;
  /** Drops what is known of such an object after it is gone; false when nothing was. A content that came back stays. */
  forget(object: ObjectName): Promise<boolean>;
  /** What the contents use: counted while they change, not added up. */
  use(): Promise<ContentUse>;
}

/** Reads of one content. */
export interface Reads {
  /** When the last of them was. */
  readonly at: Date;
  /** How many. */
  readonly count: number;
}

/** Which of these objects the catalog knows, and when contents were read last. */
export interface ContentLedger {
  /** The generation that the row names; undefined: certainly no row (condemned ones have one). */
  generation(sha256: Sha256): Promise<Fence | undefined>;
  /** Those of some thousand objects that certainly no row names, neither as content nor as what is to be removed. */
  unrecorded(objects: readonly ObjectName[]): Promise<readonly ObjectName[]>;
  /** Notes reads of some hundred contents at most, all or none: the newest time wins, counts add up, and the content gains in value. */
  touch(reads: ReadonlyMap<Sha256, Reads>): Promise<void>;
  /** A fence for an object that is not written under a lease (uploads). Never used twice. */
  nextFence(): Promise<Fence>;
}

/** Puts contents back whose rows are lost and whose objects lie in the store. */
export interface ContentRecovery {
  /** From now on every fence that is given is above this one. */
  raiseFence(fence: Fence): Promise<void>;
  /**
   * Writes the row of verified bytes that are durable in the store under this name. No blob earns
   * it by that (I6). False, and no change, when the content has a row, or another one has the fence.
   */
  restore(object: ObjectName, digests: Digests & { readonly sha256: Sha256 }, size: number): Promise<boolean>;
}
