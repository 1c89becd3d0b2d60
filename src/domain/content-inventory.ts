import type { ArtifactId } from "./artifact.ts";
import type { Block } from "./blocks.ts";
import type { Pin } from "./capacity.ts";
import type { ContentRecord } from "./content.ts";
import type { Sha256 } from "./digest.ts";

export const CONTENT_STATES = ["admitted", "condemned", "quarantined"] as const;
/** `condemned` is on its way out; `quarantined` was found damaged and is not served. */
export type ContentState = (typeof CONTENT_STATES)[number];

/** Content as operators see it. */
export interface ContentEntry extends ContentRecord {
  readonly state: ContentState;
  /** Reads since it was admitted. */
  readonly hits: number;
  /** On whose account it came, and from which host; empty: unknown, or uploaded. */
  readonly project: string;
  readonly origin: string;
  /** Name of the artifact that has had it longest; undefined: none has it. */
  readonly artifactName: string | undefined;
  /** Internal blobs that name it. */
  readonly internalRefs: number;
  readonly pin: Pin | undefined;
  readonly block: Block | undefined;
  /** Since when none of its locations delivers it any more. */
  readonly irreplaceableSince: Date | undefined;
  /** When all its bytes were read and compared last. */
  readonly scrubbedAt: Date | undefined;
}

/** A blob that has earned the content. */
export interface Referrer {
  readonly artifactId: ArtifactId;
  readonly type: string;
  readonly name: string;
  /** Who owns the artifact. */
  readonly project: string;
  readonly field: string;
  readonly key: string;
  readonly internal: boolean;
}

/** What a member that is absent does not ask for. */
export interface ContentFilter {
  readonly state?: ContentState | undefined;
  readonly pinned?: boolean | undefined;
  readonly blocked?: boolean | undefined;
  readonly irreplaceable?: boolean | undefined;
  /** Named by internal blobs. */
  readonly internal?: boolean | undefined;
  readonly project?: string | undefined;
  /** Host, with its port unless that is the scheme's. */
  readonly origin?: string | undefined;
  /** Bytes, both included. */
  readonly minSize?: number | undefined;
  readonly maxSize?: number | undefined;
  readonly readBefore?: Date | undefined;
  readonly readAfter?: Date | undefined;
  /** Contents that blobs of this artifact have earned. */
  readonly artifact?: ArtifactId | undefined;
}

export const CONTENT_ORDERS = ["sha256", "size", "last_read", "admitted"] as const;
export type ContentOrder = (typeof CONTENT_ORDERS)[number];

/** Where a page begins: behind this content, whose place in the order was this. */
export interface ContentCursor {
  readonly sha256: Sha256;
  /** As the catalog writes it. */
  readonly place: string;
}

export interface ContentQuery {
  readonly filter: ContentFilter;
  readonly order: ContentOrder;
  readonly descending: boolean;
  readonly limit: number;
  readonly after: ContentCursor | undefined;
}

export interface ContentPage {
  readonly contents: readonly ContentEntry[];
  /** undefined: it was the last page. */
  readonly next: ContentCursor | undefined;
}

/** What is cached, for those who look after it. */
export interface ContentInventory {
  list(query: ContentQuery): Promise<ContentPage>;
  /** undefined: there is certainly no such content. */
  find(sha256: Sha256): Promise<ContentEntry | undefined>;
  /** The first blobs that have earned it, by age. */
  referrers(sha256: Sha256, limit: number): Promise<readonly Referrer[]>;
}
