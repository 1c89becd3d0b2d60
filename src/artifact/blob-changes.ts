import type { Artifact } from "../domain/artifact.ts";
import type { BlobId, BlobRef } from "../domain/blob.ts";

/** Told when a change is durable, so that nothing goes on with what was true before. */
export interface BlobChanges {
  /** What a look-up of this blob answers has changed: location, mirrors, status, or who may read it. */
  onBlobChanged(ref: BlobRef): void;
  /** The blobs have no location any more. */
  onBlobsRemoved(ids: readonly BlobId[]): void;
}

/** Tells of all blobs of an artifact: their look-ups carry the artifact and one another as mirrors. */
export function announceChange(changes: BlobChanges, artifact: Artifact, also?: BlobRef): void {
  for (const { artifactId, field, key } of artifact.blobs) changes.onBlobChanged({ artifactId, field, key });
  if (also !== undefined) changes.onBlobChanged(also);
}
