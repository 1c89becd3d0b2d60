import type { Artifact } from "../domain/artifact.ts";
import type { BlobRecord, BlobRef } from "../domain/blob.ts";
import { maskUrl } from "../domain/location.ts";

/** What the audit calls an artifact, or a blob of it. */
export function auditedName({ type, id }: Pick<Artifact, "type" | "id">, ref?: BlobRef): string {
  const artifact = `artifacts/${type}/${id}`;
  if (ref === undefined) return artifact;
  return ref.key === "" ? `${artifact}/${ref.field}` : `${artifact}/${ref.field}/${encodeURIComponent(ref.key)}`;
}

/** An artifact as the audit keeps it, with its blobs by their names; no URL shows a secret. */
export function auditedArtifact(artifact: Artifact): Record<string, unknown> {
  const { owner, name, version, description, tags, metadata, fields, visibility, status } = artifact;
  const blobs = artifact.blobs.map((blob) => [
    blob.key === "" ? blob.field : `${blob.field}/${blob.key}`,
    auditedBlob(blob),
  ]);
  return {
    owner,
    name,
    version,
    description,
    tags,
    metadata,
    visibility,
    status,
    ...fields,
    ...(blobs.length === 0 ? {} : { blobs: Object.fromEntries(blobs) }),
  };
}

export function auditedBlob({ location, digests, size }: BlobRecord): Record<string, unknown> {
  return {
    location: location?.kind ?? null,
    ...(location?.kind === "external" ? { url: maskUrl(location.url), set_by: location.setBy } : {}),
    ...(size === undefined ? {} : { size }),
    ...digests,
  };
}
