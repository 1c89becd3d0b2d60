import type { Fence, ObjectName } from "./content.ts";
import type { Sha256 } from "./digest.ts";

/** What became of a content that somebody wants to go. */
export type Purged =
  /** Nobody opens it anew; its object goes when nobody reads it. */
  | "condemned"
  /** It stays: an internal blob names it. */
  | "internal"
  /** It stays unless it is forced. */
  | "irreplaceable"
  | "pinned"
  /** There is none, or it is on its way out already. */
  | "absent";

export interface ScrubItem {
  readonly object: ObjectName;
  /** Bytes. */
  readonly size: number;
}

/** Where a scrub is in its cycle; as the catalog writes it. */
export interface ScrubCursor {
  /** Empty: among those that were never scrubbed. */
  readonly scrubbedAt: string;
  readonly sha256: string;
}

export interface ScrubPage {
  readonly items: readonly ScrubItem[];
  /** undefined: the cycle has seen all. */
  readonly next: ScrubCursor | undefined;
}

/** Looking after what was admitted: taking out, reading again, making whole. */
export interface ContentCare {
  /** Condemns content with all that it takes (I5); `force` overrules pins and irreplaceability, never internal blobs. */
  purge(sha256: Sha256, force: boolean): Promise<Purged>;
  /**
   * Admitted contents that were not scrubbed since the cycle began, longest unread first.
   * @param before when the cycle began
   */
  toScrub(before: Date, after: ScrubCursor | undefined, limit: number): Promise<ScrubPage>;
  /** All its bytes were read, and are what they must be; no change when it lies under another object by now. */
  noteScrubbed(object: ObjectName): Promise<void>;
  /** It is damaged: from the commit on nobody opens or joins it. False when it lies under another object by now. */
  quarantine(object: ObjectName): Promise<boolean>;
  /** Its bytes are what they must be, under this generation (the same one, or a new one). False as above. */
  release(object: ObjectName, fence: Fence): Promise<boolean>;
  /** What is quarantined; of more than `limit` others each time. */
  quarantined(limit: number): Promise<readonly ScrubItem[]>;
}
