import { and, eq, inArray, isNull, notInArray } from "drizzle-orm";
import { joinContent } from "./join-content.ts";
import { blobId } from "./row-ids.ts";
import { blobs } from "./schema.ts";
import type { Queries } from "./session.ts";

/** A blob that is about to lose its location or its row, and the content that it had earned. */
export interface Leaving {
  readonly id: string;
  readonly contentSha256: string | null;
}

/**
 * Before blobs go: others that name the same content and could have joined it on their account
 * join it now, so that the removal changes nothing for them.
 */
export async function bequeath(tx: Queries, leaving: readonly Leaving[]): Promise<void> {
  const sha256s = leaving.flatMap((blob) => blob.contentSha256 ?? []);
  if (sha256s.length === 0) return;
  const gone = leaving.map((blob) => blob.id);
  // All of them before the first content, as everywhere.
  const heirs = await tx
    .select({ id: blobs.id })
    .from(blobs)
    .where(
      and(
        inArray(blobs.sha256, sha256s),
        isNull(blobs.contentSha256),
        eq(blobs.kind, "external"),
        notInArray(blobs.id, gone),
      ),
    )
    .orderBy(blobs.id)
    .for("update");
  for (const heir of heirs) await joinContent(tx, blobId(heir.id));
}
