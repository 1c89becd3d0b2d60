import { and, eq, or, sql } from "drizzle-orm";
import type { BlobId } from "../domain/blob.ts";
import { sha256 as brandSha256 } from "../domain/digest.ts";
import { digestsOf, identified } from "./digest-columns.ts";
import { lockedReferrers, recordOnBlobs } from "./earn-content.ts";
import { disagreement } from "./locked-blob.ts";
import { artifacts, blobs, contents } from "./schema.ts";
import type { Queries } from "./session.ts";
import { lockedContent } from "./write-content.ts";

/**
 * Lets a blob earn admitted content without a fetch of its own. Knowing a digest is no right to
 * the bytes (I6): some record that did fetch them must open the way.
 */
export async function joinContent(tx: Queries, id: BlobId): Promise<boolean> {
  const [row] = await lockedReferrers(tx, [id]);
  if (row === undefined || row.sha256 === null) return false;
  if (row.contentSha256 !== null) return true;
  const content = await lockedContent(tx, brandSha256(row.sha256));
  if (content === undefined || content.state !== "admitted") return false;
  const digests = identified(content.sha256, digestsOf(content));
  // A record that contradicts itself gets no bytes, and does not learn here what they are.
  if (disagreement(row, digests, content.size) !== undefined) return false;
  if (!(await hasWayIn(tx, row.artifactId, content.sha256))) return false;
  await recordOnBlobs(tx, [row], { digests, size: content.size, source: "first_fetch" }, true);
  return true;
}

/** What `joinContent` would answer, read without a lock and with nothing written. */
export async function wouldJoin(db: Queries, id: BlobId): Promise<boolean> {
  const [row] = await db.select().from(blobs).where(eq(blobs.id, id));
  if (row?.kind !== "external" || row.sha256 === null) return false;
  if (row.contentSha256 !== null) return true;
  const [content] = await db.select().from(contents).where(eq(contents.sha256, row.sha256));
  if (content?.state !== "admitted") return false;
  const digests = identified(brandSha256(content.sha256), digestsOf(content));
  if (disagreement(row, digests, content.size) !== undefined) return false;
  return await hasWayIn(db, row.artifactId, content.sha256);
}

/**
 * Some blob has earned the content for the same project, or for everybody. The same URL is no way in:
 * what was earned may have come from a mirror, or from a URL before this one.
 */
async function hasWayIn(tx: Queries, artifactId: string, sha256: string): Promise<boolean> {
  const owner = tx.select({ owner: artifacts.owner }).from(artifacts).where(eq(artifacts.id, artifactId));
  const [found] = await tx
    .select({ one: sql`1` })
    .from(blobs)
    .innerJoin(artifacts, eq(artifacts.id, blobs.artifactId))
    .where(
      and(
        eq(blobs.contentSha256, sha256),
        or(eq(artifacts.owner, owner), and(eq(artifacts.visibility, "public"), eq(artifacts.status, "active"))),
      ),
    )
    .limit(1);
  return found !== undefined;
}
