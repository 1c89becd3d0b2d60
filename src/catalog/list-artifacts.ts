import { and, count, desc, eq, or, type SQL, sql } from "drizzle-orm";
import type { ArtifactPage, ArtifactQuery } from "../domain/artifact-catalog.ts";
import { invalid } from "../domain/errors.ts";
import { artifactOf } from "./artifact-row.ts";
import { withBlobs } from "./find-artifact.ts";
import { artifacts } from "./schema.ts";
import type { Queries } from "./session.ts";

/** One page, newest first. Ties in time are broken by the id, so that pages never overlap. */
export async function listArtifacts(db: Queries, query: ArtifactQuery): Promise<ArtifactPage> {
  const visible = visibleTo(query.visibleTo);
  const asked = and(visible, ...filters(query));
  const after = query.marker === undefined ? undefined : await afterMarker(db, query.marker, visible);
  const rows = await db
    .select(withBlobs())
    .from(artifacts)
    .where(and(asked, after))
    .orderBy(desc(artifacts.createdAt), desc(artifacts.id))
    .limit(query.limit + 1);
  const [counted] = await db.select({ total: count() }).from(artifacts).where(asked);
  return {
    artifacts: rows.slice(0, query.limit).map((row) => artifactOf(row, row.blobs)),
    total: counted?.total ?? 0,
    more: rows.length > query.limit,
  };
}

function visibleTo(project: string | undefined): SQL | undefined {
  if (project === undefined) return undefined;
  return or(eq(artifacts.owner, project), and(eq(artifacts.visibility, "public"), eq(artifacts.status, "active")));
}

function filters(query: ArtifactQuery): SQL[] {
  const wanted: SQL[] = [];
  if (query.type !== undefined) wanted.push(eq(artifacts.type, query.type));
  if (query.name !== undefined) wanted.push(eq(artifacts.name, query.name));
  if (query.status !== undefined) wanted.push(eq(artifacts.status, query.status));
  if (query.visibility !== undefined) wanted.push(eq(artifacts.visibility, query.visibility));
  if (query.owner !== undefined) wanted.push(eq(artifacts.owner, query.owner));
  if (query.tag !== undefined) wanted.push(sql`${query.tag} = any(${artifacts.tags})`);
  return wanted;
}

/** The marker's time is compared inside the database: a Date has lost its microseconds. */
async function afterMarker(db: Queries, marker: string, visible: SQL | undefined): Promise<SQL> {
  const [found] = await db
    .select({ createdAt: sql<string>`${artifacts.createdAt}::text` })
    .from(artifacts)
    .where(and(eq(artifacts.id, marker), visible));
  // What the caller may not see is not there.
  if (found === undefined) throw invalid("query.marker", "must be the id of an artifact in the list");
  return sql`(${artifacts.createdAt}, ${artifacts.id}) < (${found.createdAt}::timestamptz, ${marker})`;
}
