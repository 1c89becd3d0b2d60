import { and, asc, eq, isNull, lt, or, sql } from "drizzle-orm";
import type { Fence, ObjectName } from "../domain/content.ts";
import type { ContentCare, Purged, ScrubCursor, ScrubItem, ScrubPage } from "../domain/content-care.ts";
import type { Sha256 } from "../domain/digest.ts";
import { objectOf } from "./content-row.ts";
import { blobs, contents } from "./schema.ts";
import type { Queries, Session } from "./session.ts";
import { lockedContent } from "./write-content.ts";

export class PostgresContentCare implements ContentCare {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  purge(sha256: Sha256, force: boolean): Promise<Purged> {
    return this.#session.transaction((tx) => purge(tx, sha256, force));
  }

  async toScrub(before: Date, after: ScrubCursor | undefined, limit: number): Promise<ScrubPage> {
    const at = sql<string>`coalesce(${contents.scrubbedAt}::text, '')`;
    const rows = await this.#session.query((db) =>
      db
        .select({ sha256: contents.sha256, fence: contents.fence, size: contents.size, at })
        .from(contents)
        .where(
          and(
            eq(contents.state, "admitted"),
            lt(contents.admittedAt, before),
            or(isNull(contents.scrubbedAt), lt(contents.scrubbedAt, before)),
            after === undefined ? undefined : behind(after),
          ),
        )
        .orderBy(sql`${contents.scrubbedAt} nulls first`, asc(contents.sha256))
        .limit(limit),
    );
    const last = rows.length < limit ? undefined : rows.at(-1);
    const next = last === undefined ? undefined : { scrubbedAt: last.at, sha256: last.sha256 };
    return { items: rows.map((row) => ({ object: objectOf(row), size: row.size })), next };
  }

  async noteScrubbed(object: ObjectName): Promise<void> {
    await this.#session.query((db) =>
      db.update(contents).set({ scrubbedAt: sql`clock_timestamp()` }).where(isThis(object)),
    );
  }

  async quarantine(object: ObjectName): Promise<boolean> {
    const rows = await this.#session.query((db) =>
      db
        .update(contents)
        .set({ state: "quarantined" })
        .where(and(isThis(object), eq(contents.state, "admitted")))
        .returning({ sha256: contents.sha256 }),
    );
    return rows.length > 0;
  }

  async release(object: ObjectName, fence: Fence): Promise<boolean> {
    const rows = await this.#session.query((db) =>
      db
        .update(contents)
        .set({ state: "admitted", fence, scrubbedAt: sql`clock_timestamp()` })
        .where(and(isThis(object), eq(contents.state, "quarantined")))
        .returning({ sha256: contents.sha256 }),
    );
    return rows.length > 0;
  }

  async quarantined(limit: number): Promise<readonly ScrubItem[]> {
    const rows = await this.#session.query((db) =>
      db
        .select({ sha256: contents.sha256, fence: contents.fence, size: contents.size })
        .from(contents)
        .where(eq(contents.state, "quarantined"))
        // Of many that nothing heals each has its turn.
        .orderBy(sql`random()`)
        .limit(limit),
    );
    return rows.map((row) => ({ object: objectOf(row), size: row.size }));
  }
}

/** As eviction condemns, but with reasons; digests stay recorded on the blobs (I10). */
async function purge(tx: Queries, sha256: Sha256, force: boolean): Promise<Purged> {
  // Blobs before contents, as everywhere.
  await tx.select({ id: blobs.id }).from(blobs).where(eq(blobs.contentSha256, sha256)).orderBy(blobs.id).for("update");
  const row = await lockedContent(tx, sha256);
  if (row === undefined || row.state === "condemned") return "absent";
  if (row.internalRefs > 0) return "internal";
  if (!force && row.irreplaceableSince !== null) return "irreplaceable";
  if (!force && row.pinReason !== null) return "pinned";
  await tx.update(blobs).set({ contentSha256: null }).where(eq(blobs.contentSha256, sha256));
  await tx
    .update(contents)
    .set({
      state: "condemned",
      condemnedAt: sql`clock_timestamp()`,
      pinReason: null,
      pinnedUntil: null,
      pinnedBy: null,
      irreplaceableSince: null,
    })
    .where(eq(contents.sha256, sha256));
  return "condemned";
}

function isThis({ sha256, fence }: ObjectName) {
  return and(eq(contents.sha256, sha256), eq(contents.fence, fence));
}

function behind({ scrubbedAt, sha256 }: ScrubCursor) {
  if (scrubbedAt !== "") {
    return sql`(${contents.scrubbedAt}, ${contents.sha256}) > (${scrubbedAt}::timestamptz, ${sha256})`;
  }
  return sql`(${contents.scrubbedAt} is not null or ${contents.sha256} > ${sha256})`;
}
