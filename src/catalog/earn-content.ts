import { eq, inArray, sql } from "drizzle-orm";
import type { BlobId, DigestSource } from "../domain/blob.ts";
import type { Digests, Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import type { BlobRow } from "./blob-row.ts";
import { digestsOf, mergedColumns } from "./digest-columns.ts";
import { disagreement } from "./locked-blob.ts";
import { blobs } from "./schema.ts";
import type { Queries } from "./session.ts";

/** What a passed fill found out. */
export interface Verified {
  readonly digests: Digests & { readonly sha256: Sha256 };
  /** Bytes. */
  readonly size: number;
  readonly source: DigestSource;
}

/** Those of the blobs that still have their external location, locked in one order for all. */
export async function lockedReferrers(tx: Queries, ids: readonly BlobId[]): Promise<readonly BlobRow[]> {
  if (ids.length === 0) return [];
  const rows = await tx
    .select()
    .from(blobs)
    .where(inArray(blobs.id, [...ids]))
    .orderBy(blobs.id)
    .for("update");
  return rows.filter((row) => row.kind === "external");
}

/**
 * Records what a fill found out on the blobs that it was for: it fills in what was not recorded
 * and overwrites nothing. `digest-mismatch` when one of them contradicts (I10).
 *
 * @param earned true when the content is kept: the blobs may read it from now on (I6)
 */
export async function recordOnBlobs(
  tx: Queries,
  rows: readonly BlobRow[],
  verified: Verified,
  earned: boolean,
): Promise<void> {
  for (const row of rows) {
    const wrong = disagreement(row, verified.digests, verified.size);
    if (wrong !== undefined) throw new CisternError("digest-mismatch", `the bytes do not have the recorded ${wrong}`);
  }
  for (const row of rows) {
    await tx
      .update(blobs)
      .set({
        ...mergedColumns(digestsOf(row), verified.digests),
        size: row.size ?? verified.size,
        digestSource: row.digestSource ?? verified.source,
        ...(earned ? { contentSha256: verified.digests.sha256 } : {}),
        updatedAt: sql`clock_timestamp()`,
      })
      .where(eq(blobs.id, row.id));
  }
}
