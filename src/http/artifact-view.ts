import type { Artifact } from "../domain/artifact.ts";
import type { ArtifactType, BlobRule } from "../domain/artifact-type.ts";
import type { BlobRecord } from "../domain/blob.ts";
import { maskUrl } from "../domain/location.ts";

/** An artifact as Glare shows it: every field of its type, null where it is not set. No URL shows a secret. */
export function artifactView(type: ArtifactType, artifact: Artifact): Record<string, unknown> {
  const blobs = [...type.blobs].map(([name, rule]) => [name, blobField(type, artifact, name, rule)]);
  return {
    id: artifact.id,
    type_name: type.name,
    display_type_name: type.displayName,
    name: artifact.name,
    version: artifact.version,
    owner: artifact.owner,
    visibility: artifact.visibility,
    status: artifact.status,
    description: artifact.description,
    tags: artifact.tags,
    metadata: artifact.metadata,
    created_at: artifact.createdAt.toISOString(),
    updated_at: artifact.updatedAt.toISOString(),
    activated_at: artifact.activatedAt?.toISOString() ?? null,
    ...Object.fromEntries([...type.fields.keys()].map((name) => [name, artifact.fields[name] ?? null])),
    ...Object.fromEntries(blobs),
  };
}

/** Path of an artifact. */
export function artifactPath(type: ArtifactType, artifact: Artifact): string {
  return `/artifacts/${type.name}/${artifact.id}`;
}

function blobField(type: ArtifactType, artifact: Artifact, name: string, rule: BlobRule): unknown {
  const path = `${artifactPath(type, artifact)}/${name}`;
  const members = artifact.blobs.filter((blob) => blob.field === name && blob.location !== undefined);
  if (rule.shape === "dict") {
    return Object.fromEntries(
      members.map((blob) => [blob.key, blobView(blob, `${path}/${encodeURIComponent(blob.key)}`)]),
    );
  }
  const [blob] = members;
  return blob === undefined ? null : blobView(blob, path);
}

function blobView(blob: BlobRecord, path: string): Record<string, unknown> {
  const { location, digests } = blob;
  const external = location?.kind === "external";
  return {
    url: external ? maskUrl(location.url) : path,
    size: blob.size ?? null,
    md5: digests.md5 ?? null,
    sha1: digests.sha1 ?? null,
    sha256: digests.sha256 ?? null,
    sha512: digests.sha512 ?? null,
    external,
    // An upload has no record before all its bytes are durable.
    status: "active",
    content_type: blob.contentType,
    digest_source: blob.digestSource ?? null,
  };
}
