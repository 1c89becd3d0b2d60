import { and, eq, inArray, isNull, lt, or, sql } from "drizzle-orm";
import type { BlobId } from "../domain/blob.ts";
import { type Sha256, sha256 } from "../domain/digest.ts";
import type { CheckedLocation, DueCursor, DuePage, LocationCheck, Revalidation } from "../domain/revalidation.ts";
import { recordOf } from "./artifact-row.ts";
import { blobOf } from "./blob-row.ts";
import { artifacts, blobs, contents } from "./schema.ts";
import type { Queries, Session } from "./session.ts";
import { locationChecks } from "./task-schema.ts";

/** Blobs that are asked, of one content. */
const MOST_LOCATIONS = 50;

export class PostgresRevalidation implements Revalidation {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async due(before: Date, after: DueCursor | undefined, limit: number): Promise<DuePage> {
    const at = sql<string>`coalesce(${contents.revalidatedAt}::text, '')`;
    const rows = await this.#session.query((db) =>
      db
        .select({ content: contents, at })
        .from(contents)
        .where(
          and(
            eq(contents.state, "admitted"),
            eq(contents.internalRefs, 0),
            or(isNull(contents.revalidatedAt), lt(contents.revalidatedAt, before)),
            after === undefined ? undefined : behind(after),
          ),
        )
        .orderBy(sql`${contents.revalidatedAt} nulls first`, contents.sha256)
        .limit(limit),
    );
    const locations = await this.#session.query((db) =>
      locationsOf(
        db,
        rows.map(({ content }) => content.sha256),
      ),
    );
    const last = rows.length < limit ? undefined : rows.at(-1);
    return {
      contents: rows.map(({ content }) => ({
        sha256: sha256(content.sha256),
        size: content.size,
        irreplaceable: content.irreplaceableSince !== null,
        revalidatedAt: content.revalidatedAt ?? undefined,
        locations: locations.get(content.sha256)?.slice(0, MOST_LOCATIONS) ?? [],
      })),
      next: last === undefined ? undefined : { at: last.at, sha256: last.content.sha256 },
    };
  }

  async note(blob: BlobId, url: string, { delivers, size, validator }: LocationCheck): Promise<void> {
    const values = { url, delivers, size: size ?? null, validator: validator ?? null };
    await this.#session.query((db) => {
      // A blob that is gone by now is nobody's.
      const still = db
        .select({
          blobId: blobs.id,
          url: sql`${url}`.as("url"),
          checkedAt: sql`clock_timestamp()`.as("checked_at"),
          delivers: sql`${delivers}::boolean`.as("delivers"),
          size: sql`${size ?? null}::bigint`.as("size"),
          validator: sql`${validator ?? null}::text`.as("validator"),
        })
        .from(blobs)
        .where(eq(blobs.id, blob));
      return db
        .insert(locationChecks)
        .select(still)
        .onConflictDoUpdate({
          target: locationChecks.blobId,
          set: { ...values, checkedAt: sql`clock_timestamp()` },
        });
    });
  }

  async conclude(digest: Sha256, irreplaceable: boolean | undefined): Promise<void> {
    const since = sql`coalesce(${contents.irreplaceableSince}, clock_timestamp())`;
    const verdict = irreplaceable === undefined ? {} : { irreplaceableSince: irreplaceable ? since : null };
    await this.#session.query((db) =>
      db
        .update(contents)
        .set({ revalidatedAt: sql`clock_timestamp()`, ...verdict })
        .where(and(eq(contents.sha256, digest), eq(contents.state, "admitted"), eq(contents.internalRefs, 0))),
    );
  }
}

/** External blobs of each content: what has earned it or records its sha256, and what stands in for such a one. */
async function locationsOf(db: Queries, digests: readonly string[]): Promise<Map<string, CheckedLocation[]>> {
  const found = new Map<string, CheckedLocation[]>();
  if (digests.length === 0) return found;
  const own = or(inArray(blobs.contentSha256, [...digests]), inArray(blobs.sha256, [...digests]));
  const related = db
    .selectDistinct({
      content: sql<string>`coalesce(${blobs.contentSha256}, ${blobs.sha256})`.as("content"),
      artifactId: blobs.artifactId,
    })
    .from(blobs)
    .where(own)
    .as("related");
  const rows = await db
    .select({ content: related.content, blob: blobs, artifact: artifacts, check: locationChecks })
    .from(related)
    .innerJoin(blobs, eq(blobs.artifactId, related.artifactId))
    .innerJoin(artifacts, eq(artifacts.id, blobs.artifactId))
    .leftJoin(locationChecks, and(eq(locationChecks.blobId, blobs.id), eq(locationChecks.url, blobs.url)))
    .where(
      and(
        eq(blobs.kind, "external"),
        or(
          eq(blobs.contentSha256, related.content),
          eq(blobs.sha256, related.content),
          and(isNull(blobs.sha256), inArray(blobs.field, ["image", "file", "mirrors"])),
        ),
      ),
    )
    .orderBy(blobs.createdAt, blobs.id);
  for (const { content, blob, artifact, check } of rows) {
    const known = check === null ? undefined : checkOf(check);
    const location = { artifact: recordOf(artifact), blob: blobOf(blob), check: known };
    found.set(content, [...(found.get(content) ?? []), location]);
  }
  return found;
}

function checkOf({ delivers, size, validator }: typeof locationChecks.$inferSelect): LocationCheck {
  return { delivers, size: size ?? undefined, validator: validator ?? undefined };
}

function behind({ at, sha256: digest }: DueCursor) {
  if (at !== "") return sql`(${contents.revalidatedAt}, ${contents.sha256}) > (${at}::timestamptz, ${digest})`;
  return sql`(${contents.revalidatedAt} is not null or ${contents.sha256} > ${digest})`;
}
