import { and, asc, eq, getTableColumns, gt, inArray, sql } from "drizzle-orm";
import type { BlobId } from "../domain/blob.ts";
import { sha256 as brandSha256, type Sha256 } from "../domain/digest.ts";
import type { AskedRecord, KeptContent, PolicyScan, ScannedContent, ScannedRecord } from "../domain/policy-scan.ts";
import { blobOf } from "./blob-row.ts";
import { wouldJoin } from "./join-content.ts";
import { artifacts, blobs, contents } from "./schema.ts";
import type { Session } from "./session.ts";

const SUBJECT = {
  type: artifacts.type,
  name: artifacts.name,
  tags: artifacts.tags,
  owner: artifacts.owner,
  visibility: artifacts.visibility,
};

export class PostgresPolicyScan implements PolicyScan {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async records(after: BlobId | undefined, limit: number): Promise<readonly ScannedRecord[]> {
    const rows = await this.#session.query((db) =>
      db
        .select({
          blob: getTableColumns(blobs),
          artifact: SUBJECT,
          cached: sql<boolean>`coalesce(${contents.state} = 'admitted', false)`,
        })
        .from(blobs)
        .innerJoin(artifacts, eq(artifacts.id, blobs.artifactId))
        .leftJoin(contents, eq(contents.sha256, blobs.contentSha256))
        .where(and(eq(blobs.kind, "external"), after === undefined ? undefined : gt(blobs.id, after)))
        .orderBy(asc(blobs.id))
        .limit(limit),
    );
    return rows.map(({ blob, ...rest }) => ({ ...rest, blob: blobOf(blob) }));
  }

  async recordsOf(ids: readonly BlobId[]): Promise<readonly AskedRecord[]> {
    const rows = await this.#session.query((db) =>
      db
        .select({ blob: getTableColumns(blobs), artifact: SUBJECT })
        .from(blobs)
        .innerJoin(artifacts, eq(artifacts.id, blobs.artifactId))
        .where(inArray(blobs.id, [...ids])),
    );
    return rows.map(({ blob, artifact }) => ({ artifact, blob: blobOf(blob) }));
  }

  async contents(after: Sha256 | undefined, limit: number): Promise<readonly ScannedContent[]> {
    const page = await this.#session.query((db) =>
      db
        .select({
          sha256: contents.sha256,
          size: contents.size,
          admittedAt: contents.admittedAt,
          keepUntil: contents.keepUntil,
          dropAfter: contents.dropAfter,
          held: sql<boolean>`${contents.pinReason} is not null or ${contents.irreplaceableSince} is not null`,
        })
        .from(contents)
        .where(
          and(
            eq(contents.state, "admitted"),
            eq(contents.internalRefs, 0),
            after === undefined ? undefined : gt(contents.sha256, after),
          ),
        )
        .orderBy(asc(contents.sha256))
        .limit(limit),
    );
    const records = await this.#recordsOf(page.map(({ sha256 }) => sha256));
    return page.map(({ sha256, keepUntil, dropAfter, ...content }) => ({
      ...content,
      keepUntil: keepUntil ?? undefined,
      dropAfter: dropAfter ?? undefined,
      sha256: brandSha256(sha256),
      records: records.get(sha256) ?? [],
    }));
  }

  async mayJoin(blob: BlobId): Promise<boolean> {
    return await this.#session.query((db) => wouldJoin(db, blob));
  }

  async keep(kept: readonly KeptContent[]): Promise<number> {
    const rows = JSON.stringify(
      kept.map(({ sha256, keepUntil, dropAfter }) => ({ sha256, keep_until: keepUntil, drop_after: dropAfter })),
    );
    // Eviction looks at nothing that has a least age, and forgets those that are over: see end_pins.
    const until = sql`case when k.keep_until > clock_timestamp() then k.keep_until end`;
    const written = await this.#session.query((db) =>
      db.execute(sql`
        update ${contents} set keep_until = ${until}, drop_after = k.drop_after
        from jsonb_to_recordset(${rows}::jsonb) as k (sha256 text, keep_until timestamptz, drop_after timestamptz)
        where contents.sha256 = k.sha256 collate "C" and contents.state = 'admitted'
          and (contents.keep_until, contents.drop_after) is distinct from (${until}, k.drop_after)
        returning 1 as one`),
    );
    return written.length;
  }

  async #recordsOf(sha256s: readonly string[]): Promise<Map<string, ScannedContent["records"]>> {
    if (sha256s.length === 0) return new Map();
    const rows = await this.#session.query((db) =>
      db
        .select({ blob: getTableColumns(blobs), artifact: SUBJECT })
        .from(blobs)
        .innerJoin(artifacts, eq(artifacts.id, blobs.artifactId))
        .where(inArray(blobs.contentSha256, [...sha256s])),
    );
    const known = rows.map(({ blob, artifact }) => ({
      artifact,
      blob: blobOf(blob),
      sha256: blob.contentSha256 ?? "",
    }));
    return Map.groupBy(known, ({ sha256 }) => sha256);
  }
}
