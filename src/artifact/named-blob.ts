import type { Artifact } from "../domain/artifact.ts";
import type { ArtifactType, BlobRule } from "../domain/artifact-type.ts";
import type { BlobRecord, BlobRef } from "../domain/blob.ts";
import { contradiction, type Digests } from "../domain/digest.ts";
import { CisternError, invalid } from "../domain/errors.ts";

/** A blob as a path names it: parsed, and a blob of the type. */
export interface NamedBlob {
  readonly type: ArtifactType;
  readonly ref: BlobRef;
}

export function blobRule({ type, ref }: NamedBlob): BlobRule {
  const rule = type.blobs.get(ref.field);
  if (rule === undefined) throw invalid(ref.field, "is not a blob");
  return rule;
}

export function recordOf(artifact: Artifact, ref: BlobRef): BlobRecord | undefined {
  return artifact.blobs.find((blob) => blob.field === ref.field && blob.key === ref.key);
}

/** `invalid-input` when the dict is full and has no such member yet. */
export function requirePlace(artifact: Artifact, named: NamedBlob): void {
  const { ref } = named;
  const most = blobRule(named).maxMembers;
  if (most === undefined || recordOf(artifact, ref) !== undefined) return;
  const members = artifact.blobs.filter((blob) => blob.field === ref.field).length;
  if (members >= most) throw invalid(ref.field, `must have at most ${most} members`);
}

/**
 * `conflict` when digests or size contradict those of the blobs that must have the same content:
 * a blob and the members of its `mirrors` dict.
 */
export function requireSameContent(
  artifact: Artifact,
  { type, ref }: NamedBlob,
  digests: Digests,
  size: number | undefined,
): void {
  const primary = type.blobs.get(ref.field)?.mirrorsOf ?? ref.field;
  for (const sibling of artifact.blobs) {
    if (sibling.field === ref.field && sibling.key === ref.key) continue;
    const mirrors = type.blobs.get(sibling.field)?.mirrorsOf === primary;
    if (sibling.field !== primary && !(mirrors && sibling.location !== undefined)) continue;
    const name = sibling.key === "" ? sibling.field : `${sibling.field}/${sibling.key}`;
    const disagreeing = contradiction(digests, sibling.digests);
    if (disagreeing !== undefined) throw contradicts(disagreeing, name);
    if (size !== undefined && sibling.size !== undefined && size !== sibling.size) throw contradicts("size", name);
  }
}

function contradicts(member: string, name: string): CisternError {
  const rule = `contradicts that of ${name}, which has the same content`;
  return new CisternError("conflict", `${member}: ${rule}`, { fields: [{ field: `location.${member}`, rule }] });
}
