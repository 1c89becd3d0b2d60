import { and, asc, eq, gt, sql } from "drizzle-orm";
import type { Artifact, ArtifactId } from "../domain/artifact.ts";
import type { BlobSearch } from "../domain/blob-search.ts";
import { artifactOf } from "./artifact-row.ts";
import { withBlobs } from "./find-artifact.ts";
import { artifactId } from "./row-ids.ts";
import { artifacts, blobs } from "./schema.ts";
import type { Session } from "./session.ts";

const MOST = 100;

export class PostgresBlobSearch implements BlobSearch {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async artifactsAt(url: string, owner: string | undefined): Promise<readonly ArtifactId[]> {
    const rows = await this.#session.lookUp((db) =>
      db
        .selectDistinct({ id: artifacts.id, createdAt: artifacts.createdAt })
        .from(blobs)
        .innerJoin(artifacts, eq(artifacts.id, blobs.artifactId))
        .where(and(eq(blobs.url, url), owner === undefined ? undefined : eq(artifacts.owner, owner)))
        .orderBy(asc(artifacts.createdAt), asc(artifacts.id))
        .limit(MOST),
    );
    return rows.map(({ id }) => artifactId(id));
  }

  async uncached(after: ArtifactId | undefined, limit: number): Promise<readonly Artifact[]> {
    const missing = sql`exists (select from ${blobs} where ${blobs.artifactId} = ${artifacts.id}
      and ${blobs.kind} = 'external' and ${blobs.key} = '' and ${blobs.contentSha256} is null)`;
    const rows = await this.#session.query((db) =>
      db
        .select(withBlobs())
        .from(artifacts)
        .where(and(eq(artifacts.status, "active"), missing, after === undefined ? undefined : gt(artifacts.id, after)))
        .orderBy(asc(artifacts.id))
        .limit(limit),
    );
    return rows.map((row) => artifactOf(row, row.blobs));
  }
}
