import type { ArtifactRecord } from "./artifact.ts";
import type { BlobId, BlobRecord } from "./blob.ts";
import type { Sha256 } from "./digest.ts";

/** What an origin certainly said when it was asked last. */
export interface LocationCheck {
  /** False: it delivers other bytes, or none. */
  readonly delivers: boolean;
  /** Bytes that it announced; undefined: it told none. */
  readonly size: number | undefined;
  /** Kind and value, as one text. */
  readonly validator: string | undefined;
}

/** An external blob that the content may be fetched from. */
export interface CheckedLocation {
  readonly artifact: ArtifactRecord;
  readonly blob: BlobRecord;
  /** Of the URL that the blob has now. */
  readonly check: LocationCheck | undefined;
}

export interface DueContent {
  readonly sha256: Sha256;
  /** Bytes. */
  readonly size: number;
  readonly irreplaceable: boolean;
  /** undefined: its locations were never asked. */
  readonly revalidatedAt: Date | undefined;
  /** All that may bring it: what has earned it, has its sha256 recorded, or stands in for such a one. */
  readonly locations: readonly CheckedLocation[];
}

/** Behind which content a page begins, as the catalog writes it. */
export interface DueCursor {
  readonly at: string;
  readonly sha256: string;
}

export interface DuePage {
  readonly contents: readonly DueContent[];
  readonly next: DueCursor | undefined;
}

/** Whether origins still deliver what was fetched from them. */
export interface Revalidation {
  /** Cached contents whose locations were not asked since `before`; those come first that were not for longest. */
  due(before: Date, after: DueCursor | undefined, limit: number): Promise<DuePage>;
  /** Notes what an origin certainly said of this URL of the blob. */
  note(blob: BlobId, url: string, check: LocationCheck): Promise<void>;
  /**
   * The locations of a content have been asked.
   * @param irreplaceable whether none of them delivers it any more; undefined: nobody knows, it stays as it is
   */
  conclude(sha256: Sha256, irreplaceable: boolean | undefined): Promise<void>;
}
