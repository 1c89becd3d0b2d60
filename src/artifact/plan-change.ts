import type { Artifact, ArtifactStatus, Visibility } from "../domain/artifact.ts";
import type { ArtifactChange } from "../domain/artifact-catalog.ts";
import { type ArtifactDraft, parseDraft } from "../domain/artifact-draft.ts";
import type { ArtifactType } from "../domain/artifact-type.ts";
import { CisternError, invalid } from "../domain/errors.ts";
import { shortName } from "../domain/field-problems.ts";
import { equalJson, isJsonObject, type JsonObject, type JsonValue } from "../domain/json.ts";
import { isAdmin, type Principal } from "../domain/principal.ts";

/** Members that change in every status, besides a type's mutable fields. */
const ALWAYS_MUTABLE: ReadonlySet<string> = new Set(["description", "tags", "metadata"]);
/** Members that a PATCH changes by rules of their own. */
const STATE: ReadonlySet<string> = new Set(["status", "visibility"]);
const READ_ONLY = ["id", "type_name", "display_type_name", "owner", "created_at", "updated_at", "activated_at"];

/**
 * What a patched document changes of the artifact, checked against the type, the status and the
 * caller's roles. `forbidden` for what this caller may not change, `invalid-input` for what nobody can.
 */
export function planChange(
  type: ArtifactType,
  artifact: Artifact,
  before: JsonValue,
  after: JsonValue,
  principal: Principal,
): ArtifactChange {
  if (!isJsonObject(before) || !isJsonObject(after)) throw invalid("patch", "must leave a JSON object");
  const changed = changedMembers(before, after);
  for (const name of changed) refuseFixed(type, artifact, name);
  const draft = parseDraft(type, withoutState(after));
  const change: ArtifactChange = {
    ...changedCommon(draft, changed),
    ...(changed.some((name) => type.fields.has(name)) ? { fields: draft.fields } : {}),
  };
  const status = planStatus(type, artifact, draft, after.status, principal);
  const visibility = planVisibility(status ?? artifact.status, artifact, after.visibility, principal);
  return {
    ...change,
    ...(status === undefined ? {} : { status }),
    ...(visibility === undefined ? {} : { visibility }),
  };
}

function changedMembers(before: JsonObject, after: JsonObject): readonly string[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  return [...names].filter((name) => !equalJson(before[name] ?? null, after[name] ?? null));
}

function refuseFixed(type: ArtifactType, artifact: Artifact, name: string): void {
  if (READ_ONLY.includes(name)) throw forbidden(name, "is read-only");
  if (STATE.has(name) || artifact.status === "drafted" || ALWAYS_MUTABLE.has(name)) return;
  const rule = type.fields.get(name);
  const known = rule !== undefined || name === "name" || name === "version";
  if (known && rule?.mutable !== true) throw forbidden(name, "does not change once the artifact was active");
}

function withoutState(document: JsonObject): Readonly<Record<string, JsonValue>> {
  return Object.fromEntries(Object.entries(document).filter(([name]) => !STATE.has(name) && !READ_ONLY.includes(name)));
}

function changedCommon(draft: ArtifactDraft, changed: readonly string[]): ArtifactChange {
  return {
    ...(changed.includes("name") ? { name: draft.name } : {}),
    ...(changed.includes("version") ? { version: draft.version } : {}),
    ...(changed.includes("description") ? { description: draft.description } : {}),
    ...(changed.includes("tags") ? { tags: draft.tags } : {}),
    ...(changed.includes("metadata") ? { metadata: draft.metadata } : {}),
  };
}

/** undefined: it stays. `drafted → active ⇄ deactivated`; switching off and on again is the admin's. */
function planStatus(
  type: ArtifactType,
  artifact: Artifact,
  draft: ArtifactDraft,
  wanted: JsonValue | undefined,
  principal: Principal,
): ArtifactStatus | undefined {
  if (wanted === artifact.status) return undefined;
  if (wanted === "deleted") throw invalid("status", "becomes deleted only by DELETE");
  if (wanted === "active") {
    if (artifact.status === "deactivated") requireAdminFor("status", principal, "only an admin reactivates");
    else requireComplete(type, artifact, draft);
    return "active";
  }
  if (wanted === "deactivated" && artifact.status === "active") {
    requireAdminFor("status", principal, "only an admin deactivates");
    return "deactivated";
  }
  throw invalid("status", `cannot become ${shown(wanted)} from ${artifact.status}`);
}

function requireComplete(type: ArtifactType, artifact: Artifact, draft: ArtifactDraft): void {
  const fields = [...type.fields].filter(([name, rule]) => rule.requiredToActivate && draft.fields[name] === undefined);
  const blobs = [...type.blobs].filter(
    ([name, rule]) =>
      rule.requiredToActivate && !artifact.blobs.some((blob) => blob.field === name && blob.location !== undefined),
  );
  const missing = [...fields, ...blobs].map(([name]) => name);
  if (missing.length === 0) return;
  throw new CisternError("forbidden", `the artifact cannot become active without ${missing.join(", ")}`, {
    fields: missing.map((field) => ({ field, rule: "is required to become active" })),
  });
}

/** undefined: it stays. Public is the admin's to set and to take back, for a name serves every project then. */
function planVisibility(
  status: ArtifactStatus,
  artifact: Artifact,
  wanted: JsonValue | undefined,
  principal: Principal,
): Visibility | undefined {
  if (wanted === artifact.visibility) return undefined;
  if (wanted !== "public" && wanted !== "private") throw invalid("visibility", "must be private or public");
  requireAdminFor("visibility", principal, "only an admin changes it");
  if (wanted === "public" && status !== "active") throw forbidden("visibility", "is public only when active");
  return wanted;
}

function requireAdminFor(field: string, principal: Principal, rule: string): void {
  if (!isAdmin(principal)) throw forbidden(field, rule);
}

function forbidden(field: string, rule: string): CisternError {
  return new CisternError("forbidden", `${field}: ${rule}`, { fields: [{ field, rule }] });
}

function shown(value: JsonValue | undefined): string {
  return typeof value === "string" ? `"${shortName(value)}"` : "that";
}
