import type { BlobId, BlobRecord } from "./blob.ts";
import type { Sha256 } from "./digest.ts";
import type { SubjectArtifact } from "./policy/subject.ts";

/** A record as rules see it. */
export interface ScannedRecord {
  readonly artifact: SubjectArtifact;
  readonly blob: Pick<BlobRecord, "id" | "location" | "digests" | "size">;
  /** Its content is in the store. */
  readonly cached: boolean;
}

/** A record that somebody has asked for. */
export interface AskedRecord {
  readonly artifact: SubjectArtifact;
  readonly blob: BlobRecord;
}

/** Admitted content that is not internal, with the records that have earned it. */
export interface ScannedContent {
  readonly sha256: Sha256;
  /** Bytes. */
  readonly size: number;
  readonly admittedAt: Date;
  /** An operator's pin holds it, whatever the policy says; so does being irreplaceable. */
  readonly held: boolean;
  /** Until then eviction does not take it; undefined: it may. */
  readonly keepUntil: Date | undefined;
  /** After that it goes; undefined: it need not. */
  readonly dropAfter: Date | undefined;
  readonly records: readonly Pick<ScannedRecord, "artifact" | "blob">[];
}

/** How long a content is kept from now on. */
export type KeptContent = Pick<ScannedContent, "sha256" | "keepUntil" | "dropAfter">;

/** Everything that a policy would be asked about, page by page. Only `keep` writes. */
export interface PolicyScan {
  /** External records, by id, after this one. */
  records(after: BlobId | undefined, limit: number): Promise<readonly ScannedRecord[]>;
  /** Those of these blobs, internal ones too, in any order; what is gone is left out. At most 1000. */
  recordsOf(blobs: readonly BlobId[]): Promise<readonly AskedRecord[]>;
  /** By digest, after this one. */
  contents(after: Sha256 | undefined, limit: number): Promise<readonly ScannedContent[]>;
  /** Whether `joinContent` of the blob catalog would let this blob earn admitted content now. */
  mayJoin(blob: BlobId): Promise<boolean>;
  /**
   * Has contents kept as long as this; what is gone meanwhile is left out, and a least age that is
   * over is none. At most 1000. Answers how many are kept otherwise now.
   */
  keep(contents: readonly KeptContent[]): Promise<number>;
}
