import { and, eq, sql } from "drizzle-orm";
import type { ObjectName } from "../domain/content.ts";
import { blobs, contents } from "./schema.ts";
import type { Queries } from "./session.ts";
import { lockedContent } from "./write-content.ts";

/** Eviction's first step: see ContentCatalog.condemn. Digests stay recorded on the blobs (I10). */
export async function condemn(tx: Queries, { sha256, fence }: ObjectName): Promise<boolean> {
  // Blobs before contents, as everywhere.
  await tx.select({ id: blobs.id }).from(blobs).where(eq(blobs.contentSha256, sha256)).orderBy(blobs.id).for("update");
  const row = await lockedContent(tx, sha256);
  if (row === undefined || row.state !== "admitted" || row.fence !== fence) return false;
  const [internal] = await tx
    .select({ id: blobs.id })
    .from(blobs)
    .where(and(eq(blobs.contentSha256, sha256), eq(blobs.kind, "internal")))
    .limit(1);
  if (internal !== undefined) return false;
  if (row.irreplaceableSince !== null) {
    // Nothing else has it: what cannot be read now may be read later, or be healed (I5, I7).
    await tx.update(contents).set({ state: "quarantined" }).where(eq(contents.sha256, sha256));
    return true;
  }
  await tx.update(blobs).set({ contentSha256: null }).where(eq(blobs.contentSha256, sha256));
  await tx
    .update(contents)
    .set({ state: "condemned", condemnedAt: sql`clock_timestamp()` })
    .where(eq(contents.sha256, sha256));
  return true;
}
