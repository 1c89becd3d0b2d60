import type { BlobId, BlobRecord, BlobRef, DigestSource, ResolvedBlob } from "../domain/blob.ts";
import type { BlobCatalog, NewLocation, UploadedContent } from "../domain/blob-catalog.ts";
import type { Fence } from "../domain/content.ts";
import type { Digests, Sha256 } from "../domain/digest.ts";
import { lockedReferrers, recordOnBlobs } from "./earn-content.ts";
import { joinContent } from "./join-content.ts";
import { removeLocation } from "./remove-location.ts";
import { resolveBlob } from "./resolve-blob.ts";
import type { Session } from "./session.ts";
import { setLocation } from "./set-location.ts";
import { setUploaded } from "./set-uploaded.ts";

export class PostgresBlobCatalog implements BlobCatalog {
  readonly #session: Session;
  readonly #resolve: (ref: BlobRef) => Promise<ResolvedBlob | undefined>;

  constructor(session: Session) {
    this.#session = session;
    this.#resolve = resolveBlob(session);
  }

  resolve(ref: BlobRef): Promise<ResolvedBlob | undefined> {
    return this.#resolve(ref);
  }

  setLocation(ref: BlobRef, location: NewLocation, replacing: string | undefined): Promise<BlobRecord> {
    return this.#session.transaction((tx) => setLocation(tx, ref, location, replacing));
  }

  setUploaded(ref: BlobRef, upload: UploadedContent): Promise<{ readonly blob: BlobRecord; readonly fence: Fence }> {
    return this.#session.transaction((tx) => setUploaded(tx, ref, upload));
  }

  removeLocation(ref: BlobRef): Promise<BlobId> {
    return this.#session.transaction((tx) => removeLocation(tx, ref));
  }

  recordVerified(
    blobs: readonly BlobId[],
    digests: Digests & { readonly sha256: Sha256 },
    size: number,
    source: DigestSource,
  ): Promise<void> {
    return this.#session.transaction(async (tx) => {
      await recordOnBlobs(tx, await lockedReferrers(tx, blobs), { digests, size, source }, false);
    });
  }

  joinContent(blob: BlobId): Promise<boolean> {
    return this.#session.transaction((tx) => joinContent(tx, blob));
  }
}
