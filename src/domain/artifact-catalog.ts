import type { Artifact, ArtifactId, ArtifactStatus, FieldValue, Visibility } from "./artifact.ts";
import type { BlobId } from "./blob.ts";

export interface NewArtifact {
  readonly id: ArtifactId;
  readonly type: string;
  readonly name: string;
  readonly version: string;
  readonly owner: string;
  readonly description: string;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  readonly fields: Readonly<Record<string, FieldValue>>;
}

/** What a change sets; absent members stay as they are. */
export interface ArtifactChange {
  readonly name?: string;
  readonly version?: string;
  readonly description?: string;
  readonly visibility?: Visibility;
  readonly status?: ArtifactStatus;
  readonly tags?: readonly string[];
  readonly metadata?: Readonly<Record<string, string>>;
  readonly fields?: Readonly<Record<string, FieldValue>>;
  readonly activatedAt?: Date;
}

export interface ArtifactQuery {
  /** undefined: every type. */
  readonly type: string | undefined;
  /** What the caller may see: everything (undefined), or what this project owns besides what is public and active. */
  readonly visibleTo: string | undefined;
  readonly name?: string;
  readonly status?: ArtifactStatus;
  readonly visibility?: Visibility;
  readonly owner?: string;
  readonly tag?: string;
  /** At most 1000. Newest first, by (created_at, id). */
  readonly limit: number;
  /** The id of the last artifact of the page before. An id that is not there: `invalid-input` on `query.marker`. */
  readonly marker?: ArtifactId;
}

export interface ArtifactPage {
  readonly artifacts: readonly Artifact[];
  readonly total: number;
  /** True when more follow. */
  readonly more: boolean;
}

/** Artifacts. Every write is durable when its promise resolves; `catalog-unavailable` on any doubt (I7). */
export interface ArtifactCatalog {
  /** `conflict` when (type, name, version) is taken within the owner, or among the public ones. */
  create(artifact: NewArtifact): Promise<Artifact>;
  find(id: ArtifactId): Promise<Artifact | undefined>;
  list(query: ArtifactQuery): Promise<ArtifactPage>;
  /**
   * Applies the change if the record still has `revision`, else `precondition-failed`.
   * `conflict` as for `create`; `artifact-not-found` when it is gone.
   */
  update(id: ArtifactId, revision: number, change: ArtifactChange): Promise<Artifact>;
  /**
   * Removes the record with its blobs; content that no blob names any more is condemned in the
   * same transaction. Answers the blobs that went; `artifact-not-found` when it is gone.
   */
  remove(id: ArtifactId): Promise<readonly BlobId[]>;
}
