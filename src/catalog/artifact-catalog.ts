import { and, eq, sql } from "drizzle-orm";
import type { Artifact, ArtifactId } from "../domain/artifact.ts";
import type {
  ArtifactCatalog,
  ArtifactChange,
  ArtifactPage,
  ArtifactQuery,
  NewArtifact,
} from "../domain/artifact-catalog.ts";
import type { BlobId } from "../domain/blob.ts";
import { CisternError } from "../domain/errors.ts";
import { artifactNotFound, lockArtifact } from "./artifact-lock.ts";
import { artifactOf } from "./artifact-row.ts";
import { bequeath } from "./bequeath.ts";
import { condemnUnreferenced } from "./condemn-unreferenced.ts";
import { findArtifact } from "./find-artifact.ts";
import { listArtifacts } from "./list-artifacts.ts";
import { blobId } from "./row-ids.ts";
import { artifacts, blobs } from "./schema.ts";
import type { Session } from "./session.ts";
import { versionKey } from "./version-key.ts";

export class PostgresArtifactCatalog implements ArtifactCatalog {
  readonly #session: Session;

  constructor(session: Session) {
    this.#session = session;
  }

  async create(artifact: NewArtifact): Promise<Artifact> {
    const { tags, ...rest } = artifact;
    const row = { ...rest, tags: [...tags], versionKey: versionKey(artifact.version) };
    const [created] = await this.#session.query((db) => db.insert(artifacts).values(row).returning());
    if (created === undefined) throw new CisternError("internal", "the artifact was not created");
    return artifactOf(created, []);
  }

  find(id: ArtifactId): Promise<Artifact | undefined> {
    return this.#session.lookUp((db) => findArtifact(db, id));
  }

  list(query: ArtifactQuery): Promise<ArtifactPage> {
    return this.#session.lookUp((db) => listArtifacts(db, query));
  }

  update(id: ArtifactId, revision: number, change: ArtifactChange): Promise<Artifact> {
    return this.#session.transaction(async (tx) => {
      const changed = await tx
        .update(artifacts)
        .set({ ...columnsOf(change), revision: sql`${artifacts.revision} + 1`, updatedAt: sql`clock_timestamp()` })
        .where(and(eq(artifacts.id, id), eq(artifacts.revision, revision)))
        .returning({ id: artifacts.id });
      const artifact = await findArtifact(tx, id);
      if (artifact === undefined) throw artifactNotFound();
      if (changed.length === 0) {
        throw new CisternError("precondition-failed", "the artifact has changed in the meantime");
      }
      return artifact;
    });
  }

  remove(id: ArtifactId): Promise<readonly BlobId[]> {
    return this.#session.transaction(async (tx) => {
      await lockArtifact(tx, id);
      const gone = await tx
        .select({ id: blobs.id, contentSha256: blobs.contentSha256 })
        .from(blobs)
        .where(eq(blobs.artifactId, id))
        .orderBy(blobs.id)
        .for("update");
      await bequeath(tx, gone);
      // The blobs go with it.
      await tx.delete(artifacts).where(eq(artifacts.id, id));
      await condemnUnreferenced(tx, gone);
      return gone.map((blob) => blobId(blob.id));
    });
  }
}

function columnsOf(change: ArtifactChange) {
  const { tags, version, activatedAt, ...rest } = change;
  const activation =
    activatedAt === undefined && rest.status === "active"
      ? { activatedAt: sql`coalesce(${artifacts.activatedAt}, clock_timestamp())` }
      : {};
  return {
    ...rest,
    ...activation,
    ...(tags === undefined ? {} : { tags: [...tags] }),
    ...(version === undefined ? {} : { version, versionKey: versionKey(version) }),
    ...(activatedAt === undefined ? {} : { activatedAt }),
  };
}
