import { randomUUID } from "node:crypto";
import { eq, sql } from "drizzle-orm";
import type { BlobRecord, BlobRef } from "../domain/blob.ts";
import type { NewLocation } from "../domain/blob-catalog.ts";
import { hasAnyDigest, hasStrongDigest } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import { lockArtifact, noteChange } from "./artifact-lock.ts";
import { type BlobRow, blobOf } from "./blob-row.ts";
import { digestsOf, mergedColumns } from "./digest-columns.ts";
import { lockedBlob, mustAgreeWithKept } from "./locked-blob.ts";
import { blobs } from "./schema.ts";
import type { Queries } from "./session.ts";

export async function setLocation(
  tx: Queries,
  ref: BlobRef,
  location: NewLocation,
  replacing: string | undefined,
): Promise<BlobRecord> {
  await lockArtifact(tx, ref.artifactId);
  const row = await lockedBlob(tx, ref);
  const written =
    replacing === undefined ? await set(tx, ref, row, location) : await replaceUrl(tx, row, location, replacing);
  if (written === undefined) throw new CisternError("internal", "the location was not written");
  await noteChange(tx, ref.artifactId);
  return blobOf(written);
}

async function set(tx: Queries, ref: BlobRef, row: BlobRow | undefined, location: NewLocation) {
  const values = {
    // Anew also for a row that is kept: a fill of the location before must not count for this one.
    id: randomUUID(),
    kind: "external" as const,
    url: location.url,
    setBy: location.setBy,
    contentType: location.contentType,
  };
  const given = hasAnyDigest(location.digests) ? ("given" as const) : null;
  if (row === undefined) {
    const [inserted] = await tx
      .insert(blobs)
      .values({
        ...values,
        artifactId: ref.artifactId,
        field: ref.field,
        key: ref.key,
        ...mergedColumns(location.digests, {}),
        size: location.size ?? null,
        digestSource: given,
      })
      .returning();
    return inserted;
  }
  if (row.kind !== null) throw new CisternError("conflict", "the blob has a location already");
  mustAgreeWithKept(row, location.digests, location.size);
  const [updated] = await tx
    .update(blobs)
    .set({
      ...values,
      ...mergedColumns(digestsOf(row), location.digests),
      size: row.size ?? location.size ?? null,
      digestSource: row.digestSource ?? given,
      updatedAt: sql`clock_timestamp()`,
    })
    .where(eq(blobs.id, row.id))
    .returning();
  return updated;
}

async function replaceUrl(tx: Queries, row: BlobRow | undefined, location: NewLocation, replacing: string) {
  if (row?.kind === "internal") throw new CisternError("conflict", "the blob has uploaded bytes");
  if (row?.kind !== "external" || row.url !== replacing) {
    throw new CisternError("precondition-failed", "the location has changed in the meantime");
  }
  if (!hasStrongDigest(digestsOf(row))) {
    throw new CisternError("conflict", "a URL is replaced only when a sha256 or sha512 is recorded");
  }
  mustAgreeWithKept(row, location.digests, location.size);
  const [updated] = await tx
    .update(blobs)
    .set({ url: location.url, setBy: location.setBy, updatedAt: sql`clock_timestamp()` })
    .where(eq(blobs.id, row.id))
    .returning();
  return updated;
}
