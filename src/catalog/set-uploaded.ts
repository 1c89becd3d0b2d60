import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import type { BlobRecord, BlobRef } from "../domain/blob.ts";
import type { UploadedContent } from "../domain/blob-catalog.ts";
import type { Fence } from "../domain/content.ts";
import { CisternError } from "../domain/errors.ts";
import { lockArtifact, noteChange } from "./artifact-lock.ts";
import { blobOf } from "./blob-row.ts";
import { requireNotBlocked } from "./blocks.ts";
import { digestsOf, mergedColumns } from "./digest-columns.ts";
import { lockedBlob, mustAgreeWithKept } from "./locked-blob.ts";
import { blobs, reservations } from "./schema.ts";
import type { Queries } from "./session.ts";
import { writeContent } from "./write-content.ts";

export async function setUploaded(
  tx: Queries,
  ref: BlobRef,
  upload: UploadedContent,
): Promise<{ readonly blob: BlobRecord; readonly fence: Fence }> {
  const { owner } = await lockArtifact(tx, ref.artifactId);
  const row = await lockedBlob(tx, ref);
  if (row !== undefined && row.kind !== null) throw new CisternError("conflict", "the blob has a location already");
  if (row !== undefined) mustAgreeWithKept(row, upload.digests, upload.size);
  await requireNotBlocked(tx, upload.digests.sha256);
  const object = await writeContent(tx, { ...upload, account: { project: owner, origin: "" } });
  // From the commit on the content itself counts.
  await tx.delete(reservations).where(eq(reservations.fence, upload.fence));
  const values = {
    id: randomUUID(),
    kind: "internal" as const,
    ...mergedColumns(row === undefined ? {} : digestsOf(row), upload.digests),
    size: upload.size,
    digestSource: row?.digestSource ?? ("given" as const),
    contentType: upload.contentType,
    contentSha256: upload.digests.sha256,
  };
  const [written] =
    row === undefined
      ? await tx
          .insert(blobs)
          .values({ ...values, artifactId: ref.artifactId, field: ref.field, key: ref.key })
          .returning()
      : await tx
          .update(blobs)
          .set({ ...values, updatedAt: sql`clock_timestamp()` })
          .where(eq(blobs.id, row.id))
          .returning();
  if (written === undefined) throw new CisternError("internal", "the upload was not recorded");
  await noteChange(tx, ref.artifactId);
  return { blob: blobOf(written), fence: object.fence };
}
