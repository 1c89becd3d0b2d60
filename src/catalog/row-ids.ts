import type { ArtifactId } from "../domain/artifact.ts";
import type { BlobId } from "../domain/blob.ts";
import type { TokenId } from "../domain/token.ts";

// What comes from a row is an id: the row was written with one.

export function artifactId(text: string): ArtifactId {
  return text as ArtifactId;
}

export function blobId(text: string): BlobId {
  return text as BlobId;
}

export function tokenId(text: string): TokenId {
  return text as TokenId;
}
