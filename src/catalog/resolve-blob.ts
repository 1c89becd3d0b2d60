import { and, eq, getTableColumns, type SQL, sql } from "drizzle-orm";
import type { BlobRef, ResolvedBlob } from "../domain/blob.ts";
import { recordOf } from "./artifact-row.ts";
import { blobList, blobOf } from "./blob-row.ts";
import { contentOf } from "./content-row.ts";
import { artifacts, blobs, contents } from "./schema.ts";
import type { Queries, Session } from "./session.ts";

/**
 * Fields whose external blobs stand in for one another: an image or a file and its mirrors. A location that
 * contradicts what is recorded of the target is no mirror of it.
 */
const MIRRORS: SQL = sql`
  m.artifact_id = ${blobs.artifactId} and m.id <> ${blobs.id} and m.kind = 'external'
  and ${blobs.field} in ('image', 'file', 'mirrors') and m.field in ('image', 'file', 'mirrors')
  and ${agrees("md5")} and ${agrees("sha1")} and ${agrees("sha256")} and ${agrees("sha512")} and ${agrees("size")}`;

function agrees(column: "md5" | "sha1" | "sha256" | "sha512" | "size"): SQL {
  return sql`coalesce(m.${sql.identifier(column)} = ${blobs[column]}, true)`;
}

/** The look-up of the read path: prepared once for each connection, one round trip afterwards. */
export function resolveBlob(session: Session): (ref: BlobRef) => Promise<ResolvedBlob | undefined> {
  const statements = new WeakMap<Queries, ReturnType<typeof prepare>>();
  const statementOf = (db: Queries) => {
    const statement = statements.get(db) ?? prepare(db);
    statements.set(db, statement);
    return statement;
  };
  return async (ref) => {
    const [row] = await session.lookUp((db) =>
      statementOf(db).execute({ artifactId: ref.artifactId, field: ref.field, key: ref.key }),
    );
    if (row === undefined) return undefined;
    return {
      artifact: recordOf(row.artifact),
      blob: blobOf(row.blob),
      mirrors: row.mirrors.map(blobOf),
      content: row.content === null ? undefined : contentOf(row.content),
      admittedElsewhere: row.admittedElsewhere,
    };
  };
}

function prepare(db: Queries) {
  return db
    .select({
      blob: getTableColumns(blobs),
      artifact: getTableColumns(artifacts),
      content: getTableColumns(contents),
      mirrors: blobList(MIRRORS),
      admittedElsewhere: sql<boolean>`${blobs.contentSha256} is null and exists (
        select 1 from ${contents} c where c.sha256 = ${blobs.sha256} and c.state = 'admitted')`,
    })
    .from(blobs)
    .innerJoin(artifacts, eq(artifacts.id, blobs.artifactId))
    .leftJoin(contents, and(eq(contents.sha256, blobs.contentSha256), eq(contents.state, "admitted")))
    .where(
      and(
        eq(blobs.artifactId, sql.placeholder("artifactId")),
        eq(blobs.field, sql.placeholder("field")),
        eq(blobs.key, sql.placeholder("key")),
      ),
    )
    .prepare("resolve_blob");
}
