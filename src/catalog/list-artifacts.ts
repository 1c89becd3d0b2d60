import { and, desc, eq, getTableColumns, or, type SQL, Subquery, sql } from "drizzle-orm";
import type { ArtifactStatus, Visibility } from "../domain/artifact.ts";
import type { ArtifactPage, ArtifactQuery } from "../domain/artifact-catalog.ts";
import { invalid } from "../domain/errors.ts";
import { artifactOf } from "./artifact-row.ts";
import { withBlobs } from "./find-artifact.ts";
import { artifactCounts, artifacts } from "./schema.ts";
import type { Queries } from "./session.ts";

const STATUSES: readonly ArtifactStatus[] = ["active", "drafted", "deactivated"];
const VISIBILITIES: readonly Visibility[] = ["public", "private"];

const NEWEST_FIRST = [desc(artifacts.createdAt), desc(artifacts.id)];

/** Artifacts that have all of these in common; an index has them in the order of the list. */
interface Part {
  readonly owner: string | undefined;
  readonly status: ArtifactStatus;
  readonly visibility: Visibility;
}

/**
 * One page, newest first. Ties in time are broken by the id, so that pages never overlap. A list is
 * put together from at most six parts, each of which is read from an index at the place where the
 * page begins: what does not belong to the page is not looked at, however many rows there are.
 */
export async function listArtifacts(db: Queries, query: ArtifactQuery): Promise<ArtifactPage> {
  const parts = partsOf(query);
  const after = query.marker === undefined ? undefined : await afterMarker(db, query.marker, query.visibleTo);
  if (parts.length === 0) return { artifacts: [], total: 0, more: false };
  const pages = parts.map((part) =>
    db
      .select()
      .from(artifacts)
      .where(and(inPart(artifacts, part, query), named(query), after))
      .orderBy(...NEWEST_FIRST)
      .limit(query.limit + 1),
  );
  const columns = getTableColumns(artifacts);
  const parted = new Subquery(sql.join(pages, sql` union all `), columns, "artifacts");
  const page = db
    .select(columns)
    .from(parted)
    .orderBy(...NEWEST_FIRST)
    .limit(query.limit + 1);
  const rows = await db
    .select(withBlobs())
    .from(page.as("artifacts"))
    .orderBy(...NEWEST_FIRST);
  return {
    artifacts: rows.slice(0, query.limit).map((row) => artifactOf(row, row.blobs)),
    total: await countArtifacts(db, parts, query),
    more: rows.length > query.limit,
  };
}

/** The parts of what is asked for and may be seen; none has anything of another. */
function partsOf({ visibleTo, owner, status, visibility }: ArtifactQuery): readonly Part[] {
  const parts: Part[] = [];
  for (const s of status === undefined ? STATUSES : [status]) {
    for (const v of visibility === undefined ? VISIBILITIES : [visibility]) {
      const open = s === "active" && v === "public";
      if (visibleTo === undefined || open) parts.push({ owner, status: s, visibility: v });
      else if (owner === undefined || owner === visibleTo) parts.push({ owner: visibleTo, status: s, visibility: v });
    }
  }
  return parts;
}

function inPart(
  table: typeof artifacts | typeof artifactCounts,
  part: Part,
  { type }: Pick<ArtifactQuery, "type">,
): SQL | undefined {
  return and(
    eq(table.status, part.status),
    eq(table.visibility, part.visibility),
    part.owner === undefined ? undefined : eq(table.owner, part.owner),
    type === undefined ? undefined : eq(table.type, type),
  );
}

function named({ name, tag }: ArtifactQuery): SQL | undefined {
  return and(
    name === undefined ? undefined : eq(artifacts.name, name),
    // As an index over the tags can be asked.
    tag === undefined ? undefined : sql`${artifacts.tags} @> array[${tag}::text]`,
  );
}

/** Added up from what triggers count; of one name or tag there are few enough to be counted. */
async function countArtifacts(db: Queries, parts: readonly Part[], query: ArtifactQuery): Promise<number> {
  const sums = parts.map((part) =>
    query.name === undefined && query.tag === undefined
      ? sql`(select coalesce(sum(${artifactCounts.count}), 0) from ${artifactCounts} where ${inPart(artifactCounts, part, query)})`
      : sql`(select count(*) from ${artifacts} where ${and(inPart(artifacts, part, query), named(query))})`,
  );
  const [row] = await db.execute<{ total: string }>(sql`select ${sql.join(sums, sql` + `)} as total`);
  return Number(row?.total ?? 0);
}

/** The marker's time is compared inside the database: a Date has lost its microseconds. */
async function afterMarker(db: Queries, marker: string, visibleTo: string | undefined): Promise<SQL> {
  const [found] = await db
    .select({ createdAt: sql<string>`${artifacts.createdAt}::text` })
    .from(artifacts)
    .where(and(eq(artifacts.id, marker), visible(visibleTo)));
  // What the caller may not see is not there.
  if (found === undefined) throw invalid("query.marker", "must be the id of an artifact in the list");
  return sql`(${artifacts.createdAt}, ${artifacts.id}) < (${found.createdAt}::timestamptz, ${marker})`;
}

function visible(project: string | undefined): SQL | undefined {
  if (project === undefined) return undefined;
  return or(eq(artifacts.owner, project), and(eq(artifacts.visibility, "public"), eq(artifacts.status, "active")));
}
