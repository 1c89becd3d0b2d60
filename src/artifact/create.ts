import { randomUUID } from "node:crypto";
import type { Artifact, ArtifactId } from "../domain/artifact.ts";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import { parseDraft } from "../domain/artifact-draft.ts";
import type { ArtifactType } from "../domain/artifact-type.ts";
import type { AuditTrail } from "../domain/audit.ts";
import type { Principal } from "../domain/principal.ts";
import { requireWriter } from "./access.ts";
import { auditedArtifact, auditedName } from "./audited-artifact.ts";

export interface CreatePorts {
  readonly artifacts: ArtifactCatalog;
  readonly audit: AuditTrail;
}

/**
 * Creates a draft that the caller's project owns. `body` is JSON as it came in: `invalid-input`
 * names every broken rule; `conflict` when (type, name, version) is taken.
 */
export async function createArtifact(
  ports: CreatePorts,
  principal: Principal,
  type: ArtifactType,
  body: unknown,
): Promise<Artifact> {
  requireWriter(principal);
  const draft = parseDraft(type, body);
  const artifact = await ports.artifacts.create({
    ...draft,
    id: randomUUID() as ArtifactId,
    type: type.name,
    owner: principal.project,
  });
  const after = auditedArtifact(artifact);
  await ports.audit.record({ principal, action: "artifact.create", object: auditedName(artifact), after });
  return artifact;
}
