import { and, eq } from "drizzle-orm";
import type { BlobRef } from "../domain/blob.ts";
import { contradiction, type Digests } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import type { BlobRow } from "./blob-row.ts";
import { digestsOf } from "./digest-columns.ts";
import { blobs } from "./schema.ts";
import type { Queries } from "./session.ts";

/** The row of a blob, locked until the transaction ends. */
export async function lockedBlob(tx: Queries, ref: BlobRef): Promise<BlobRow | undefined> {
  const [row] = await tx
    .select()
    .from(blobs)
    .where(and(eq(blobs.artifactId, ref.artifactId), eq(blobs.field, ref.field), eq(blobs.key, ref.key)))
    .for("update");
  return row;
}

/** What a row records and these bytes do not have; undefined when they agree as far as both say. */
export function disagreement(
  row: Pick<BlobRow, "md5" | "sha1" | "sha256" | "sha512" | "size">,
  digests: Digests,
  size: number | undefined,
): string | undefined {
  const wrong = contradiction(digestsOf(row), digests);
  if (wrong !== undefined) return wrong;
  return row.size !== null && size !== undefined && row.size !== size ? "size" : undefined;
}

/** `conflict` when a location that was removed left digests or a size that these contradict (I10). */
export function mustAgreeWithKept(row: BlobRow, digests: Digests, size: number | undefined): void {
  const wrong = disagreement(row, digests, size);
  if (wrong !== undefined) {
    throw new CisternError("conflict", `the ${wrong} contradicts the one that is recorded for this blob`);
  }
}
