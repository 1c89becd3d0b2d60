import type { ArtifactId } from "./artifact.ts";
import type { BlobId, BlobRef } from "./blob.ts";
import type { Fence } from "./content.ts";
import type { ContentState } from "./content-inventory.ts";
import type { Sha256 } from "./digest.ts";
import type { FillId } from "./fill-entry.ts";
import type { Grave } from "./graves.ts";
import type { TokenId } from "./token.ts";

/** What another process (or this one) has committed to the catalog. */
export type CatalogChange =
  /** The record's fields, visibility or status are others now. */
  | { readonly kind: "artifact"; readonly id: ArtifactId }
  /** Location, digests or earned content of a blob are others now. */
  | { readonly kind: "blob"; readonly ref: BlobRef }
  /** The blob's row is gone. */
  | { readonly kind: "blob-removed"; readonly id: BlobId; readonly ref: BlobRef }
  /** A content was admitted, condemned, revived under another object, or is gone. */
  | {
      readonly kind: "content";
      readonly sha256: Sha256;
      /** The object that it lay under before the change. */
      readonly fence: Fence;
      readonly state: ContentState | "gone";
    }
  /** A token was changed or revoked. */
  | { readonly kind: "token"; readonly id: TokenId }
  /** A caller was given bytes that failed, or has begun anew. */
  | { readonly kind: "grave"; readonly grave: Grave }
  /** Bytes were blocked, or a block was lifted. */
  | { readonly kind: "block"; readonly sha256: Sha256 }
  /** The settings of the capacity are others now. */
  | { readonly kind: "capacity" }
  /** Another policy is in force. */
  | { readonly kind: "policy"; readonly version: number }
  /** A prefetch is asked for, or is to be sooner or to stop. */
  | { readonly kind: "fill"; readonly id: FillId }
  /** Changes may have been missed (the connection was away): nothing that is cached may be trusted. */
  | { readonly kind: "unknown" };

export interface CatalogChanges {
  /**
   * Calls back for every change committed from now on, soon after its commit, in no order that means
   * anything; `unknown` after every (re)connection. Disposal ends it. An embedded catalog, which
   * nobody else writes, tells nothing.
   */
  listen(onChange: (change: CatalogChange) => void): Promise<AsyncDisposable>;
}
