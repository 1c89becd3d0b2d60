import type { Artifact } from "../domain/artifact.ts";
import type { ArtifactType } from "../domain/artifact-type.ts";
import { cloneJson, type JsonValue } from "../domain/json.ts";

/** An artifact as a JSON patch sees it: every member that is no blob, null where it is not set. */
export function patchDocument(type: ArtifactType, artifact: Artifact): JsonValue {
  const unset = Object.fromEntries([...type.fields.keys()].map((name) => [name, null]));
  const { id, owner, name, version, description, tags, metadata, visibility, status } = artifact;
  return cloneJson({
    ...unset,
    ...artifact.fields,
    id,
    type_name: type.name,
    display_type_name: type.displayName,
    owner,
    name,
    version,
    description,
    tags,
    metadata,
    visibility,
    status,
    created_at: artifact.createdAt.toISOString(),
    updated_at: artifact.updatedAt.toISOString(),
    activated_at: artifact.activatedAt?.toISOString() ?? null,
  });
}
