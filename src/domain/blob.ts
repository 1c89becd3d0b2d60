import type { ArtifactId, ArtifactRecord } from "./artifact.ts";
import type { ContentRecord } from "./content.ts";
import type { Digests } from "./digest.ts";
import type { Location } from "./location.ts";

export type BlobId = string & { readonly __brand: "BlobId" };

/** Names one blob of an artifact; `key` is "" unless the field is a blob dict. */
export interface BlobRef {
  readonly artifactId: ArtifactId;
  readonly field: string;
  readonly key: string;
}

/** How the recorded digests came to be known. */
export type DigestSource = "given" | "discovered" | "signed" | "first_fetch";

export interface BlobRecord extends BlobRef {
  readonly id: BlobId;
  /** undefined: the location was removed; digests and size of a once active artifact stay (I10). */
  readonly location: Location | undefined;
  /** What the bytes must have; given, or recorded at the first verified fetch, then immutable. */
  readonly digests: Digests;
  /** Bytes. */
  readonly size: number | undefined;
  readonly digestSource: DigestSource | undefined;
  readonly contentType: string;
}

/** All that the read path needs to know of a blob: what one look-up in the catalog answers. */
export interface ResolvedBlob {
  readonly artifact: ArtifactRecord;
  readonly blob: BlobRecord;
  /** The other external blobs of the artifact that may stand in for it, by name order. */
  readonly mirrors: readonly BlobRecord[];
  /** Admitted content that this record has earned; undefined: it must be fetched from its location. */
  readonly content: ContentRecord | undefined;
  /** Without `content`: admitted content has the recorded sha256, which this record might earn (I6). */
  readonly admittedElsewhere: boolean;
}
