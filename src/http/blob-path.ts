import type { NamedBlob } from "../artifact/named-blob.ts";
import type { ArtifactId } from "../domain/artifact.ts";
import { COMMON_MEMBERS, SYSTEM_MEMBERS } from "../domain/artifact-draft.ts";
import { parseArtifactId } from "../domain/artifact-id.ts";
import type { ArtifactType } from "../domain/artifact-type.ts";
import type { BlobRef } from "../domain/blob.ts";
import { findArtifactType } from "../domain/builtin-types.ts";
import { CisternError, invalid } from "../domain/errors.ts";
import { parseText } from "../domain/text.ts";

const MAX_KEY = 255;

/** The parts of a path are decoded already. `type-not-found`. */
export function parseType(name: string): ArtifactType {
  const type = findArtifactType(name);
  if (type !== undefined) return type;
  throw new CisternError("type-not-found", "there is no such artifact type", {
    fields: [{ field: "path.type", rule: "must be the name of an artifact type" }],
  });
}

/** `artifact-not-found` for what is no UUID: there can be no such artifact. */
export function parsePathId(text: string): ArtifactId {
  const id = parseArtifactId(text);
  if (id !== undefined) return id;
  throw new CisternError("artifact-not-found", "there is no such artifact", {
    fields: [{ field: "path.id", rule: "must be a UUID" }],
  });
}

/**
 * The blob that `/artifacts/{type}/{id}/{field}[/{key}]` names. `type-not-found`,
 * `artifact-not-found`, `blob-not-found` for an unknown field; `invalid-input` for a field that is
 * no blob, and for a key that is missing or too many.
 */
export function parseBlobPath(type: string, id: string, field: string, key: string | undefined): BlobRef {
  return parseNamedBlob(type, id, field, key).ref;
}

/** Like `parseBlobPath`, with the type's definition. */
export function parseNamedBlob(typeName: string, id: string, field: string, key: string | undefined): NamedBlob {
  const type = parseType(typeName);
  const artifactId = parsePathId(id);
  const rule = type.blobs.get(field);
  if (rule === undefined) throw notABlob(type, field);
  if (rule.shape === "blob") {
    if (key !== undefined) throw invalid("path.key", `must be left out: ${field} is one blob`);
    return { type, ref: { artifactId, field, key: "" } };
  }
  if (key === undefined || key === "") throw invalid("path.key", `is required: ${field} maps names to blobs`);
  parseText(key, "path.key", { min: 1, max: MAX_KEY });
  if (key.includes("/")) throw invalid("path.key", "must not contain a slash");
  return { type, ref: { artifactId, field, key } };
}

function notABlob(type: ArtifactType, field: string): CisternError {
  const known = type.fields.has(field) || SYSTEM_MEMBERS.has(field) || COMMON_MEMBERS.some((name) => name === field);
  if (known) return invalid("path.field", "must be a blob of the type");
  return new CisternError("blob-not-found", `${type.name} have no such blob`, {
    fields: [{ field: "path.field", rule: `must be one of ${[...type.blobs.keys()].join(", ")}` }],
  });
}
