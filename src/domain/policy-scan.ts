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

/** Admitted content that is not internal, with the records that have earned it. */
export interface ScannedContent {
  readonly sha256: Sha256;
  /** Bytes. */
  readonly size: number;
  readonly admittedAt: Date;
  /** An operator's pin holds it, whatever the policy says; so does being irreplaceable. */
  readonly held: boolean;
  readonly records: readonly Pick<ScannedRecord, "artifact" | "blob">[];
}

/** Everything that a policy would be asked about, page by page; it writes nothing. */
export interface PolicyScan {
  /** External records, by id, after this one. */
  records(after: BlobId | undefined, limit: number): Promise<readonly ScannedRecord[]>;
  /** By digest, after this one. */
  contents(after: Sha256 | undefined, limit: number): Promise<readonly ScannedContent[]>;
  /** Whether `joinContent` of the blob catalog would let this blob earn admitted content now. */
  mayJoin(blob: BlobId): Promise<boolean>;
}
