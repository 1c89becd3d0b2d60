import { eq, getTableColumns, sql } from "drizzle-orm";
import type { Artifact, ArtifactId } from "../domain/artifact.ts";
import { artifactOf } from "./artifact-row.ts";
import { blobList } from "./blob-row.ts";
import { artifacts } from "./schema.ts";
import type { Queries } from "./session.ts";

/** All columns of an artifact and, as one more, its blobs. */
export function withBlobs() {
  return { ...getTableColumns(artifacts), blobs: blobList(sql`m.artifact_id = ${artifacts.id}`) };
}

export async function findArtifact(db: Queries, id: ArtifactId): Promise<Artifact | undefined> {
  const [row] = await db.select(withBlobs()).from(artifacts).where(eq(artifacts.id, id));
  return row === undefined ? undefined : artifactOf(row, row.blobs);
}
