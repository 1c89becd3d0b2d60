import { eq, sql } from "drizzle-orm";
import type { BlobId, BlobRef } from "../domain/blob.ts";
import { CisternError, isCisternError } from "../domain/errors.ts";
import { lockArtifact, noteChange } from "./artifact-lock.ts";
import { bequeath } from "./bequeath.ts";
import type { BlobRow } from "./blob-row.ts";
import { condemnUnreferenced } from "./condemn-unreferenced.ts";
import { lockedBlob } from "./locked-blob.ts";
import { blobId } from "./row-ids.ts";
import { blobs } from "./schema.ts";
import type { Queries } from "./session.ts";

export async function removeLocation(tx: Queries, ref: BlobRef): Promise<BlobId> {
  const { everActive } = await lockArtifact(tx, ref.artifactId).catch(asMissingBlob);
  const row = await lockedBlob(tx, ref);
  if (row === undefined || row.kind === null) throw blobNotFound();
  if (row.kind === "internal") throw new CisternError("forbidden", "uploaded bytes go only with their artifact");
  await bequeath(tx, [row]);
  if (everActive && saysSomething(row)) {
    await tx
      .update(blobs)
      .set({ kind: null, url: null, setBy: null, contentSha256: null, updatedAt: sql`clock_timestamp()` })
      .where(eq(blobs.id, row.id));
  } else {
    await tx.delete(blobs).where(eq(blobs.id, row.id));
  }
  await condemnUnreferenced(tx, [row]);
  await noteChange(tx, ref.artifactId);
  return blobId(row.id);
}

/** There are digests or a size that a next location has to agree with (I10). */
function saysSomething(row: BlobRow): boolean {
  return row.size !== null || row.digestSource !== null;
}

function asMissingBlob(error: unknown): never {
  throw isCisternError(error, "artifact-not-found") ? blobNotFound() : error;
}

function blobNotFound(): CisternError {
  return new CisternError("blob-not-found", "there is no such blob");
}
