import { eq, sql } from "drizzle-orm";
import type { ArtifactId } from "../domain/artifact.ts";
import { CisternError } from "../domain/errors.ts";
import { artifacts } from "./schema.ts";
import type { Queries } from "./session.ts";

export interface LockedArtifact {
  readonly everActive: boolean;
  readonly owner: string;
}

/**
 * Locks the artifact's row, so that the changes of one artifact's blobs happen one after the
 * other; `artifact-not-found` when it is gone. Locks are taken in the order artifact, blobs, contents.
 */
export async function lockArtifact(tx: Queries, id: ArtifactId): Promise<LockedArtifact> {
  const [row] = await tx
    .select({ activatedAt: artifacts.activatedAt, owner: artifacts.owner })
    .from(artifacts)
    .where(eq(artifacts.id, id))
    .for("update");
  if (row === undefined) throw artifactNotFound();
  return { everActive: row.activatedAt !== null, owner: row.owner };
}

/** A change of an artifact's blobs is a change of the artifact: writers that saw it before are refused. */
export async function noteChange(tx: Queries, id: ArtifactId): Promise<void> {
  await tx
    .update(artifacts)
    .set({ revision: sql`${artifacts.revision} + 1`, updatedAt: sql`clock_timestamp()` })
    .where(eq(artifacts.id, id));
}

export function artifactNotFound(): CisternError {
  return new CisternError("artifact-not-found", "there is no such artifact");
}
