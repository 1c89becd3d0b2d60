import type { Artifact } from "../domain/artifact.ts";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import type { AuditTrail } from "../domain/audit.ts";
import type { BlobCatalog } from "../domain/blob-catalog.ts";
import { CisternError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { findChangeable, type NamedArtifact } from "./access.ts";
import { auditedArtifact, auditedBlob, auditedName } from "./audited-artifact.ts";
import { announceChange, type BlobChanges } from "./blob-changes.ts";
import { type ExpectedRevision, requireRevision } from "./expected-revision.ts";
import { type NamedBlob, recordOf } from "./named-blob.ts";

export interface RemovePorts {
  readonly artifacts: ArtifactCatalog;
  readonly blobs: BlobCatalog;
  readonly changes: BlobChanges;
  readonly audit: AuditTrail;
}

/** Deletes the record with its blobs; nothing behind an external location is touched (I5). */
export async function removeArtifact(
  ports: RemovePorts,
  principal: Principal,
  named: NamedArtifact,
  expected: ExpectedRevision,
): Promise<void> {
  const artifact = await findChangeable(ports.artifacts, principal, named);
  requireRevision(artifact, expected);
  const gone = await ports.artifacts.remove(artifact.id);
  announceChange(ports.changes, artifact);
  ports.changes.onBlobsRemoved(gone);
  const before = auditedArtifact(artifact);
  await ports.audit.record({ principal, action: "artifact.delete", object: auditedName(artifact), before });
}

/**
 * Removes an external location and answers the artifact. `blob-not-found` when the blob is empty,
 * `forbidden` when its bytes are internal: they go with the artifact.
 */
export async function removeLocation(
  ports: RemovePorts,
  principal: Principal,
  named: NamedBlob,
  expected: ExpectedRevision,
): Promise<Artifact> {
  const { ref, type } = named;
  const owner = { type: type.name, id: ref.artifactId };
  const artifact = await findChangeable(ports.artifacts, principal, owner);
  requireRevision(artifact, expected);
  const record = recordOf(artifact, ref);
  const location = record?.location;
  if (record === undefined || location === undefined)
    throw new CisternError("blob-not-found", "the blob is empty: it has no location");
  if (location.kind === "internal") {
    throw new CisternError("forbidden", "the bytes were uploaded: they are deleted with the artifact");
  }
  const gone = await ports.blobs.removeLocation(ref);
  announceChange(ports.changes, artifact);
  ports.changes.onBlobsRemoved([gone]);
  const object = auditedName(artifact, ref);
  await ports.audit.record({ principal, action: "location.delete", object, before: auditedBlob(record) });
  return findChangeable(ports.artifacts, principal, owner);
}
