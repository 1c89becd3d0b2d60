import type { BlobId, BlobRecord, BlobRef, DigestSource, ResolvedBlob } from "./blob.ts";
import type { Fence } from "./content.ts";
import type { Digests, Sha256 } from "./digest.ts";
import type { SetBy } from "./location.ts";

export interface NewLocation {
  readonly url: string;
  readonly setBy: SetBy;
  readonly digests: Digests;
  /** Bytes. */
  readonly size: number | undefined;
  readonly contentType: string;
}

export interface UploadedContent {
  readonly digests: Digests & { readonly sha256: Sha256 };
  /** Bytes. */
  readonly size: number;
  readonly contentType: string;
  /** The generation whose object is durable in the store already. */
  readonly fence: Fence;
}

/** Blobs: where bytes come from and what they must be. Writes as in ArtifactCatalog. */
export interface BlobCatalog {
  /** One look-up for all that the read path needs; undefined when there is no such blob. */
  resolve(ref: BlobRef): Promise<ResolvedBlob | undefined>;
  /**
   * Sets an external location. `conflict` when the blob has one, or uploaded bytes, or when
   * digests or size contradict those kept from a location before (I10).
   * `replacing`: the URL that the caller saw; then the URL alone is replaced if it is still that
   * one (else `precondition-failed`), and only when a sha256 or sha512 is recorded (else `conflict`).
   * What was earned stays earned. `artifact-not-found` when the artifact is gone.
   */
  setLocation(ref: BlobRef, location: NewLocation, replacing: string | undefined): Promise<BlobRecord>;
  /**
   * Records uploaded bytes: blob and content in one transaction. Content that exists already is
   * revived when condemned, and keeps its own object; the answer's `object` tells which one won.
   * `conflict` as for `setLocation`.
   */
  setUploaded(ref: BlobRef, upload: UploadedContent): Promise<{ readonly blob: BlobRecord; readonly fence: Fence }>;
  /**
   * Removes an external location; digests and size stay when the artifact was ever active. Content
   * that no blob names any more is condemned in the same transaction. `blob-not-found` when there
   * is nothing, `forbidden` when the bytes are internal.
   */
  removeLocation(ref: BlobRef): Promise<BlobId>;
  /**
   * Records digests and size of blobs whose own fill has passed but is not kept (mode `proxy`,
   * no room). What is recorded already must agree, else `digest-mismatch`; nothing is overwritten.
   */
  recordVerified(
    blobs: readonly BlobId[],
    digests: Digests & { readonly sha256: Sha256 },
    size: number,
    source: DigestSource,
  ): Promise<void>;
  /**
   * Lets the blob earn admitted content without a fetch, where it may (I6): the content has its
   * recorded sha256, and a blob that earned it has the same URL, or belongs to the same project,
   * or is public and active. Answers true when it did.
   */
  joinContent(blob: BlobId): Promise<boolean>;
}
