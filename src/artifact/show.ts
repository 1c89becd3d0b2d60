import type { Artifact } from "../domain/artifact.ts";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import type { Principal } from "../domain/principal.ts";
import { findVisible, type NamedArtifact } from "./access.ts";

/** One artifact; `artifact-not-found` also for what the caller may not know of. */
export function showArtifact(
  ports: { readonly artifacts: ArtifactCatalog },
  principal: Principal,
  named: NamedArtifact,
): Promise<Artifact> {
  return findVisible(ports.artifacts, principal, named);
}
