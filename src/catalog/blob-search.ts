import { and, asc, eq } from "drizzle-orm";
import type { ArtifactId } from "../domain/artifact.ts";
import type { BlobSearch } from "../domain/blob-search.ts";
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
}
