import type { ArtifactRecord } from "../domain/artifact.ts";
import { CisternError } from "../domain/errors.ts";
import { isAdmin, type Principal } from "../domain/principal.ts";

/**
 * Whether the caller may have the bytes: asked for a hit exactly as for a miss (I6). What a caller
 * may not know of is `blob-not-found`; an artifact that is switched off is `forbidden`, and so are all
 * bytes to an auditor, who sees the records.
 */
export function authoriseRead(principal: Principal, artifact: ArtifactRecord): void {
  if (isAdmin(principal)) return;
  const own = artifact.owner === principal.project && principal.tokenId !== "anonymous";
  const reads = principal.roles.includes("reader") || principal.roles.includes("member");
  const open = artifact.visibility === "public" && artifact.status !== "drafted";
  if (!reads || !(own || open)) {
    if (principal.roles.includes("auditor"))
      throw new CisternError("forbidden", "an auditor sees records, and no bytes");
    throw new CisternError("blob-not-found", "there is no such blob");
  }
  if (artifact.status === "deactivated") {
    throw new CisternError("forbidden", "the artifact is deactivated: an administrator has to reactivate it");
  }
}
