import type { BlobRecord } from "./blob.ts";

export type ArtifactId = string & { readonly __brand: "ArtifactId" };
export type Visibility = "private" | "public";
export type ArtifactStatus = "drafted" | "active" | "deactivated";

/** A value of a type's own field (`disk_format`, `min_ram`, …). */
export type FieldValue = string | number | boolean | null;

/** An artifact as the catalog keeps it. */
export interface ArtifactRecord {
  readonly id: ArtifactId;
  readonly type: string;
  readonly name: string;
  /** Semantic version, always three parts. */
  readonly version: string;
  /** The project that owns it. */
  readonly owner: string;
  readonly visibility: Visibility;
  readonly status: ArtifactStatus;
  readonly description: string;
  readonly tags: readonly string[];
  readonly metadata: Readonly<Record<string, string>>;
  /** The type's own fields, without blobs. */
  readonly fields: Readonly<Record<string, FieldValue>>;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly activatedAt: Date | undefined;
  /** Counts the changes of the record: writers that saw an older one are refused. */
  readonly revision: number;
}

/** An artifact with all its blobs. */
export interface Artifact extends ArtifactRecord {
  readonly blobs: readonly BlobRecord[];
}
