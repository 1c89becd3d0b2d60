import type { Artifact, ArtifactRecord } from "../domain/artifact.ts";
import { blobOf, type StoredBlob } from "./blob-row.ts";
import { artifactId } from "./row-ids.ts";
import type { artifacts } from "./schema.ts";

export type ArtifactRow = typeof artifacts.$inferSelect;

export function recordOf(row: ArtifactRow): ArtifactRecord {
  return {
    id: artifactId(row.id),
    type: row.type,
    name: row.name,
    version: row.version,
    owner: row.owner,
    visibility: row.visibility,
    status: row.status,
    description: row.description,
    tags: row.tags,
    metadata: row.metadata,
    fields: row.fields,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    activatedAt: row.activatedAt ?? undefined,
    revision: row.revision,
  };
}

export function artifactOf(row: ArtifactRow, blobs: readonly StoredBlob[]): Artifact {
  return { ...recordOf(row), blobs: blobs.map(blobOf) };
}
