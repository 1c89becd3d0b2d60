import type { Artifact, ArtifactId } from "./artifact.ts";

/** Finds records by what their blobs say. */
export interface BlobSearch {
  /**
   * Artifacts with a blob at this URL (normalised, secrets included), the oldest first, 100 at most.
   * @param owner undefined: whoever owns them
   */
  artifactsAt(url: string, owner: string | undefined): Promise<readonly ArtifactId[]>;
  /** Active artifacts with an external blob, no member of a dict, that has no content here; by id. */
  uncached(after: ArtifactId | undefined, limit: number): Promise<readonly Artifact[]>;
}
