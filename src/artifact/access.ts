import type { Artifact, ArtifactId, ArtifactRecord } from "../domain/artifact.ts";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import { CisternError } from "../domain/errors.ts";
import { isAdmin, mayWrite, type Principal } from "../domain/principal.ts";

/** An artifact as a path names it. */
export interface NamedArtifact {
  readonly type: string;
  readonly id: ArtifactId;
}

/** True when every record may be seen: the admin's and the auditor's right. */
export function seesAll(principal: Principal): boolean {
  return isAdmin(principal) || principal.roles.includes("auditor");
}

/** True when the caller may read records at all. */
export function mayRead(principal: Principal): boolean {
  return principal.roles.length > 0;
}

/** True when the caller may know of the artifact. */
function maySee(principal: Principal, artifact: ArtifactRecord): boolean {
  if (seesAll(principal)) return true;
  const open = artifact.visibility === "public" && artifact.status !== "drafted";
  return mayRead(principal) && (open || owns(principal, artifact));
}

/** The artifact, if it is of this type and the caller may know of it; else `artifact-not-found`. */
export async function findVisible(
  artifacts: ArtifactCatalog,
  principal: Principal,
  named: NamedArtifact,
): Promise<Artifact> {
  const artifact = await artifacts.find(named.id);
  if (artifact === undefined || artifact.type !== named.type || !maySee(principal, artifact)) {
    throw new CisternError("artifact-not-found", "there is no such artifact");
  }
  return artifact;
}

/** Like `findVisible`, of an artifact that the caller may change; else `forbidden`. */
export async function findChangeable(
  artifacts: ArtifactCatalog,
  principal: Principal,
  named: NamedArtifact,
): Promise<Artifact> {
  const artifact = await findVisible(artifacts, principal, named);
  if (isAdmin(principal)) return artifact;
  requireWriter(principal);
  if (!owns(principal, artifact)) throw new CisternError("forbidden", "the artifact belongs to another project");
  return artifact;
}

/** `forbidden` unless the caller may create and change what its project owns. */
export function requireWriter(principal: Principal): void {
  if (!mayWrite(principal)) throw new CisternError("forbidden", "this needs the role member or admin");
}

/** `forbidden` unless the caller is an admin. */
export function requireAdmin(principal: Principal): void {
  if (!isAdmin(principal)) throw new CisternError("forbidden", "this needs the role admin");
}

function owns(principal: Principal, artifact: ArtifactRecord): boolean {
  return principal.project !== "" && principal.project === artifact.owner;
}
