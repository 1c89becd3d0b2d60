import type { Artifact } from "../domain/artifact.ts";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import type { AuditTrail } from "../domain/audit.ts";
import type { BlobRecord } from "../domain/blob.ts";
import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { Fence, ObjectName } from "../domain/content.ts";
import type { ContentStore } from "../domain/content-store.ts";
import { ALGORITHMS, type Algorithm, contradiction } from "../domain/digest.ts";
import { CisternError, type ErrorCode, invalid, isCisternError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import type { Spool, SpoolFile } from "../domain/spool.ts";
import { findChangeable } from "./access.ts";
import { auditedName } from "./audited-artifact.ts";
import { announceChange, type BlobChanges } from "./blob-changes.ts";
import { type ExpectedRevision, requireRevision } from "./expected-revision.ts";
import { blobRule, type NamedBlob, recordOf, requireSameContent } from "./named-blob.ts";
import { type Received, type ReceivePorts, receiveBytes, requireRoom, type Upload } from "./receive-bytes.ts";
import { UploadSpace, type UploadSpacePorts } from "./upload-space.ts";

export interface UploadPorts extends ReceivePorts, UploadSpacePorts {
  readonly artifacts: ArtifactCatalog;
  readonly blobs: BlobCatalog;
  readonly spool: Pick<Spool, "create">;
  readonly store: Pick<ContentStore, "stage" | "remove">;
  readonly changes: BlobChanges;
  readonly audit: AuditTrail;
}

/** Refusals after which no row can name the object. After an outage one may. */
const CERTAIN: readonly ErrorCode[] = [
  "content-blocked",
  "conflict",
  "artifact-not-found",
  "forbidden",
  "precondition-failed",
];

/**
 * Takes uploaded bytes as the blob's own (internal) and answers the artifact. The bytes are durable
 * in the store before the row says so (I2); on any failure nothing of them stays. `conflict` when
 * the blob has a location or bytes already, or other bytes than are recorded.
 */
export async function uploadBlob(
  ports: UploadPorts,
  principal: Principal,
  named: NamedBlob,
  upload: Upload,
  expected: ExpectedRevision,
  signal: AbortSignal,
): Promise<Artifact> {
  const { ref, type } = named;
  const owner = { type: type.name, id: ref.artifactId };
  const artifact = await findChangeable(ports.artifacts, principal, owner);
  requireRevision(artifact, expected);
  if (!blobRule(named).uploads) throw invalid(ref.field, "takes external locations only");
  const record = recordOf(artifact, ref);
  requireEmpty(record);
  requireAnnounced(record, upload.length);
  requireRoom(upload.length ?? 0, ports.maxBytes);
  await using space = await UploadSpace.take(ports, artifact.owner, upload.length);
  const file = await ports.spool.create(upload.length ?? 0);
  let received: Received;
  try {
    const target = { file, cover: (end: number) => space.cover(end) };
    received = await receiveBytes(ports, upload, target, algorithmsOf(named, record), signal);
    requireRecorded(record, received);
    requireSameContent(artifact, named, received.digests, received.size);
    await space.settle(received.size);
    await keep(ports, named, upload.contentType, { file, fence: space.fence }, received, signal);
  } finally {
    await dropFile(file);
  }
  announceChange(ports.changes, artifact, ref);
  const after = { location: "internal", size: received.size, ...received.digests };
  await ports.audit.record({ principal, action: "blob.upload", object: auditedName(artifact, ref), after });
  return findChangeable(ports.artifacts, principal, owner);
}

/** Bytes into the store, then the row; an object that no row names is removed. */
async function keep(
  ports: UploadPorts,
  { ref }: NamedBlob,
  contentType: string,
  { file, fence }: { readonly file: SpoolFile; readonly fence: Fence },
  { digests, size }: Received,
  signal: AbortSignal,
): Promise<void> {
  const object: ObjectName = { sha256: digests.sha256, fence };
  await using staging = ports.store.stage(object, file, size);
  staging.advance(size);
  await staging.commit(signal);
  try {
    const recorded = await ports.blobs.setUploaded(ref, { digests, size, contentType, fence });
    if (recorded.fence !== fence) await removeSurplus(ports, object);
  } catch (error) {
    if (CERTAIN.some((code) => isCisternError(error, code))) await removeSurplus(ports, object);
    throw error;
  }
}

/** No row names it. A store that is away keeps it, which harms nobody; what was decided stands. */
async function removeSurplus({ store }: UploadPorts, object: ObjectName): Promise<void> {
  try {
    await store.remove(object);
  } catch (error) {
    if (!isCisternError(error, "store-unavailable")) throw error;
  }
}

async function dropFile(file: SpoolFile): Promise<void> {
  try {
    await file.discard();
  } finally {
    await file[Symbol.asyncDispose]();
  }
}

function requireEmpty(record: BlobRecord | undefined): void {
  if (record?.location === undefined) return;
  const what = record.location.kind === "internal" ? "bytes" : "an external location";
  throw new CisternError("conflict", `the blob has ${what} already`);
}

/** A length that contradicts the record is refused before the bytes come. */
function requireAnnounced(record: BlobRecord | undefined, length: number | undefined): void {
  if (length === undefined || record?.size === undefined || length === record.size) return;
  throw differs("size");
}

function requireRecorded(record: BlobRecord | undefined, { size, digests }: Received): void {
  if (record === undefined) return;
  if (record.size !== undefined && record.size !== size) throw differs("size");
  const disagreeing = contradiction(record.digests, digests);
  if (disagreeing !== undefined) throw differs(disagreeing);
}

function differs(member: string): CisternError {
  const rule = "differs from what is recorded of the blob";
  return new CisternError("conflict", `${member}: ${rule}`, { fields: [{ field: `body.${member}`, rule }] });
}

function algorithmsOf({ type }: NamedBlob, record: BlobRecord | undefined): readonly Algorithm[] {
  return ALGORITHMS.filter((name) => type.digests.includes(name) || record?.digests[name] !== undefined);
}
