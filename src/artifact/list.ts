import type { ArtifactCatalog, ArtifactPage, ArtifactQuery } from "../domain/artifact-catalog.ts";
import { CisternError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { mayRead, seesAll } from "./access.ts";

/** One page of what the caller may see, newest first. */
export async function listArtifacts(
  ports: { readonly artifacts: ArtifactCatalog },
  principal: Principal,
  query: Omit<ArtifactQuery, "visibleTo">,
): Promise<ArtifactPage> {
  if (!mayRead(principal)) throw new CisternError("forbidden", "this needs a role that reads");
  return ports.artifacts.list({ ...query, visibleTo: seesAll(principal) ? undefined : principal.project });
}
