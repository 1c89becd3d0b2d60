import type { Artifact } from "../domain/artifact.ts";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import type { ArtifactType } from "../domain/artifact-type.ts";
import type { AuditTrail } from "../domain/audit.ts";
import { CisternError, invalid, isCisternError } from "../domain/errors.ts";
import { applyPatch, type PatchOperation, parsePatch } from "../domain/json-patch.ts";
import type { Principal } from "../domain/principal.ts";
import { findChangeable, type NamedArtifact } from "./access.ts";
import { difference } from "./audit-values.ts";
import { auditedArtifact, auditedName } from "./audited-artifact.ts";
import { announceChange, type BlobChanges } from "./blob-changes.ts";
import { type ExpectedRevision, requireRevision } from "./expected-revision.ts";
import { patchDocument } from "./patch-document.ts";
import { planChange } from "./plan-change.ts";

export interface UpdatePorts {
  readonly artifacts: ArtifactCatalog;
  readonly changes: BlobChanges;
  readonly audit: AuditTrail;
}

/** A patch without If-Match is applied anew to what another writer left, so often at most. */
const ATTEMPTS = 4;

/**
 * Applies a JSON patch (RFC 6902): all of it, or nothing. `invalid-input`, `forbidden`,
 * `precondition-failed` (If-Match), `conflict` (the name is taken, or writers never came to rest).
 */
export async function updateArtifact(
  ports: UpdatePorts,
  principal: Principal,
  type: ArtifactType,
  named: NamedArtifact,
  body: unknown,
  expected: ExpectedRevision,
): Promise<Artifact> {
  let current = await findChangeable(ports.artifacts, principal, named);
  requireRevision(current, expected);
  const patch = parsePatch(body);
  refuseBlobs(type, patch);
  for (let attempt = 1; ; attempt += 1) {
    const before = patchDocument(type, current);
    const change = planChange(type, current, before, applyPatch(before, patch), principal);
    if (Object.keys(change).length === 0) return current;
    try {
      const updated = await ports.artifacts.update(current.id, current.revision, change);
      announceChange(ports.changes, updated);
      await note(ports, principal, current, updated);
      return updated;
    } catch (error) {
      if (!isCisternError(error, "precondition-failed") || Array.isArray(expected)) throw error;
      if (attempt === ATTEMPTS) throw new CisternError("conflict", "other changes came in between", { cause: error });
    }
    current = await findChangeable(ports.artifacts, principal, named);
  }
}

/** Only the members that the patch has changed. */
function note({ audit }: UpdatePorts, principal: Principal, before: Artifact, after: Artifact): Promise<void> {
  const states = difference(auditedArtifact(before), auditedArtifact(after));
  return audit.record({ principal, action: "artifact.update", object: auditedName(after), ...states });
}

function refuseBlobs(type: ArtifactType, patch: readonly PatchOperation[]): void {
  for (const [index, operation] of patch.entries()) {
    const roots = [operation.path[0], "from" in operation ? operation.from[0] : undefined];
    if (roots.some((root) => root !== undefined && type.blobs.has(root))) {
      throw invalid(`patch.${index}.path`, "must not lead to a blob: set it with PUT on its own path");
    }
  }
}
