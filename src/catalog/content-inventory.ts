import { and, asc, desc, eq, exists, gt, gte, isNotNull, isNull, lt, lte, type SQL, sql } from "drizzle-orm";
import type { PgColumn } from "drizzle-orm/pg-core";
import type {
  ContentEntry,
  ContentFilter,
  ContentInventory,
  ContentOrder,
  ContentPage,
  ContentQuery,
  Referrer,
} from "../domain/content-inventory.ts";
import { type Sha256, sha256 } from "../domain/digest.ts";
import { blockOf } from "./blocks.ts";
import { contentOf } from "./content-row.ts";
import { artifactId } from "./row-ids.ts";
import { artifacts, blobs, blocks, contents } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

const COLUMNS: Readonly<Record<ContentOrder, { readonly column: PgColumn; readonly type: SQL }>> = {
  sha256: { column: contents.sha256, type: sql.raw("text") },
  size: { column: contents.size, type: sql.raw("bigint") },
  last_read: { column: contents.lastReadAt, type: sql.raw("timestamptz") },
  admitted: { column: contents.admittedAt, type: sql.raw("timestamptz") },
};

export class PostgresContentInventory implements ContentInventory {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async list({ filter, order, descending, limit, after }: ContentQuery): Promise<ContentPage> {
    const { column, type } = COLUMNS[order];
    const turn = descending ? desc : asc;
    const rows = await this.#session.query((db) => {
      const place = sql<string>`${column}::text`;
      const beyond = sql.raw(descending ? "<" : ">");
      const behind =
        after === undefined
          ? undefined
          : order === "sha256"
            ? sql`${column} ${beyond} ${after.sha256}`
            : sql`(${column}, ${contents.sha256}) ${beyond} (${after.place}::${type}, ${after.sha256})`;
      return db
        .select({ content: contents, block: blocks, artifactName: artifactName(db), place })
        .from(contents)
        .leftJoin(blocks, eq(blocks.sha256, contents.sha256))
        .where(and(...conditions(db, filter), behind))
        .orderBy(turn(column), ...(order === "sha256" ? [] : [turn(contents.sha256)]))
        .limit(limit + 1);
    });
    const page = rows.slice(0, limit);
    const last = rows.length > limit ? page.at(-1) : undefined;
    const next = last === undefined ? undefined : { sha256: sha256(last.content.sha256), place: last.place };
    return { contents: page.map(entryOf), next };
  }

  async find(digest: Sha256): Promise<ContentEntry | undefined> {
    const [row] = await this.#session.query((db) =>
      db
        .select({ content: contents, block: blocks, artifactName: artifactName(db) })
        .from(contents)
        .leftJoin(blocks, eq(blocks.sha256, contents.sha256))
        .where(eq(contents.sha256, digest)),
    );
    return row === undefined ? undefined : entryOf(row);
  }

  async referrers(digest: Sha256, limit: number): Promise<readonly Referrer[]> {
    const rows = await this.#session.query((db) =>
      db
        .select({
          artifactId: blobs.artifactId,
          type: artifacts.type,
          name: artifacts.name,
          project: artifacts.owner,
          field: blobs.field,
          key: blobs.key,
          kind: blobs.kind,
        })
        .from(blobs)
        .innerJoin(artifacts, eq(artifacts.id, blobs.artifactId))
        .where(eq(blobs.contentSha256, digest))
        .orderBy(asc(blobs.createdAt), asc(blobs.id))
        .limit(limit),
    );
    return rows.map(({ kind, ...row }) => ({
      ...row,
      artifactId: artifactId(row.artifactId),
      internal: kind === "internal",
    }));
  }
}

function artifactName(db: Queries): SQL<string | null> {
  const oldest = db
    .select({ name: artifacts.name })
    .from(blobs)
    .innerJoin(artifacts, eq(artifacts.id, blobs.artifactId))
    .where(eq(blobs.contentSha256, contents.sha256))
    .orderBy(asc(blobs.createdAt), asc(blobs.id))
    .limit(1);
  return sql`(${oldest})`;
}

function conditions(db: Queries, filter: ContentFilter): (SQL | undefined)[] {
  const { state, pinned, irreplaceable, internal, project, origin, minSize, maxSize, readBefore, readAfter } = filter;
  const of = <T>(value: T | undefined, condition: (value: T) => SQL): SQL | undefined =>
    value === undefined ? undefined : condition(value);
  const given = (column: PgColumn) => (wanted: boolean) => (wanted ? isNotNull(column) : isNull(column));
  return [
    of(state, (wanted) => eq(contents.state, wanted)),
    of(pinned, given(contents.pinReason)),
    of(filter.blocked, given(blocks.sha256)),
    of(irreplaceable, given(contents.irreplaceableSince)),
    of(internal, (wanted) => (wanted ? gt(contents.internalRefs, 0) : eq(contents.internalRefs, 0))),
    of(project, (wanted) => eq(contents.project, wanted)),
    of(origin, (wanted) => eq(contents.origin, wanted)),
    of(minSize, (wanted) => gte(contents.size, wanted)),
    of(maxSize, (wanted) => lte(contents.size, wanted)),
    of(readBefore, (wanted) => lt(contents.lastReadAt, wanted)),
    of(readAfter, (wanted) => gte(contents.lastReadAt, wanted)),
    of(filter.artifact, (wanted) =>
      exists(
        db
          .select({ one: sql`1` })
          .from(blobs)
          .where(and(eq(blobs.contentSha256, contents.sha256), eq(blobs.artifactId, wanted))),
      ),
    ),
  ];
}

function entryOf(row: {
  readonly content: typeof contents.$inferSelect;
  readonly block: typeof blocks.$inferSelect | null;
  readonly artifactName: string | null;
}): ContentEntry {
  const { content, block, artifactName } = row;
  const { state, hits, project, origin, internalRefs, pinReason, pinnedUntil, pinnedBy } = content;
  return {
    ...contentOf(content),
    state,
    hits,
    project,
    origin,
    artifactName: artifactName ?? undefined,
    internalRefs,
    pin: pinReason === null ? undefined : { reason: pinReason, until: pinnedUntil ?? undefined, by: pinnedBy ?? "" },
    block: block === null ? undefined : blockOf(block),
    irreplaceableSince: content.irreplaceableSince ?? undefined,
    scrubbedAt: content.scrubbedAt ?? undefined,
  };
}
