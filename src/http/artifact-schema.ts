import type { ArtifactType, BlobRule, FieldRule, ValueRule } from "../domain/artifact-type.ts";
import type { JsonShape } from "./wire-fields.ts";

const TIME: JsonShape = { type: ["string", "null"], format: "date-time", readOnly: true, glareType: "DateTime" };
const NAME = 255;

/**
 * The JSON schema of a type as `/schemas` answers it: what a caller sees of an artifact, with Glare's
 * own keywords (`glareType`, `mutable`, `required_on_activate`).
 */
export function artifactSchema(type: ArtifactType): JsonShape {
  return {
    name: type.name,
    title: `Artifact type ${type.name} of version 1.0`,
    version: "1.0",
    type: "object",
    properties: propertiesOf(type),
    required: ["name"],
  };
}

/** The same as an answer has it: every member, and no other. */
export function shownArtifactSchema(type: ArtifactType): JsonShape {
  const properties = propertiesOf(type);
  return {
    title: type.displayName,
    type: "object",
    properties,
    required: Object.keys(properties),
    additionalProperties: false,
  };
}

/** What a creation takes: null means absent. */
export function draftSchema(type: ArtifactType): JsonShape {
  const fields = [...type.fields].map(([name, { value }]) => [name, { ...valueSchema(value) }]);
  const { name, description, tags, metadata } = common();
  const orNull = (schema: JsonShape) => ({ anyOf: [schema, { type: "null" }] });
  return {
    title: `${type.displayName}, as they are created`,
    type: "object",
    properties: {
      name,
      version: { type: ["string", "null"], maxLength: NAME },
      description: orNull(description),
      tags: orNull(tags),
      metadata: orNull(metadata),
      ...Object.fromEntries(fields),
    },
    required: ["name"],
    additionalProperties: false,
  };
}

function propertiesOf(type: ArtifactType): JsonShape {
  const { name, description, tags, metadata } = common();
  return {
    id: { type: "string", format: "uuid", readOnly: true, glareType: "String" },
    type_name: { const: type.name, readOnly: true, glareType: "String" },
    display_type_name: { const: type.displayName, readOnly: true, glareType: "String" },
    name: { ...name, glareType: "String", mutable: false },
    version: { type: "string", maxLength: NAME, glareType: "String", mutable: false },
    owner: { type: "string", readOnly: true, glareType: "String" },
    visibility: { enum: ["private", "public"], glareType: "String", mutable: true },
    status: { enum: ["drafted", "active", "deactivated"], glareType: "String", mutable: true },
    description: { ...description, glareType: "String", mutable: true },
    tags: { ...tags, glareType: "StringList", mutable: true },
    metadata: { ...metadata, glareType: "StringDict", mutable: true },
    created_at: { ...TIME, type: "string" },
    updated_at: { ...TIME, type: "string" },
    activated_at: TIME,
    ...Object.fromEntries([...type.fields].map(([field, rule]) => [field, fieldSchema(rule)])),
    ...Object.fromEntries([...type.blobs].map(([field, rule]) => [field, blobFieldSchema(rule)])),
  };
}

const LINE = "^[^\\u0000-\\u001f\\u007f]*$";
const TAG = "^[^\\u0000-\\u001f\\u007f,/]+$";
const LINES = "^[^\\u0000-\\u0008\\u000b\\u000c\\u000e-\\u001f\\u007f]*$";

function common() {
  return {
    name: { type: "string", minLength: 1, maxLength: NAME, pattern: LINE },
    description: { type: "string", maxLength: 4096, pattern: LINES },
    tags: { type: "array", items: { type: "string", minLength: 1, maxLength: NAME, pattern: TAG }, maxItems: 255 },
    metadata: {
      type: "object",
      propertyNames: { minLength: 1, maxLength: NAME, pattern: LINE },
      additionalProperties: { type: "string", maxLength: 1024, pattern: LINES },
      maxProperties: 255,
    },
  };
}

function valueSchema(value: ValueRule): JsonShape {
  if (value.kind === "integer") return { type: ["integer", "null"], minimum: value.min, maximum: value.max };
  if (value.oneOf !== undefined) return { enum: [...value.oneOf, null] };
  return { type: ["string", "null"], minLength: 1, maxLength: value.max, pattern: LINE };
}

function fieldSchema({ value, mutable, requiredToActivate }: FieldRule): JsonShape {
  const glareType = value.kind === "integer" ? "Integer" : "String";
  return { ...valueSchema(value), glareType, mutable, required_on_activate: requiredToActivate };
}

function blobFieldSchema({ shape, requiredToActivate, maxMembers }: BlobRule): JsonShape {
  const more = { mutable: !requiredToActivate, required_on_activate: requiredToActivate, readOnly: true };
  if (shape === "blob") return { ...blobSchema(["object", "null"]), ...more, glareType: "Blob" };
  const limit = maxMembers === undefined ? {} : { maxProperties: maxMembers };
  return { type: "object", additionalProperties: blobSchema("object"), ...limit, ...more, glareType: "BlobDict" };
}

function blobSchema(type: string | readonly string[]): JsonShape {
  const digest = (digits: number) => ({ type: ["string", "null"], pattern: `^[0-9a-f]{${digits}}$` });
  const properties = {
    url: { type: "string" },
    size: { type: ["integer", "null"], minimum: 0 },
    md5: digest(32),
    sha1: digest(40),
    sha256: digest(64),
    sha512: digest(128),
    external: { type: "boolean" },
    status: { enum: ["saving", "active"] },
    content_type: { type: "string" },
    digest_source: { enum: ["given", "discovered", "signed", "first_fetch", null] },
  };
  return { type, properties, required: Object.keys(properties), additionalProperties: false };
}
