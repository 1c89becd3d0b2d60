import { z } from "zod";
import { artifactTypes } from "../../domain/builtin-types.ts";
import type { ErrorCode } from "../../domain/errors.ts";
import { ROLES } from "../../domain/principal.ts";
import { draftSchema, shownArtifactSchema } from "../artifact-schema.ts";
import { media, type Operation } from "../operation.ts";
import { shaped } from "../wire-fields.ts";

const TYPES = artifactTypes();
const NAMES = TYPES.map(({ name }) => name);
const tags = ["artifacts"];
const face = "openstack";
const writers = ["member", "admin"] as const;

/** `ImagesArtifact`, `FilesArtifact`: components of the document. */
const artifact = z.union(TYPES.map((type) => shaped(shownArtifactSchema(type), componentOf(type.name, "Artifact"))));
const draft = z.union(TYPES.map((type) => shaped(draftSchema(type), componentOf(type.name, "Draft"))));
const page = z.object({
  artifacts: z.array(artifact),
  first: z.string(),
  next: z.string().optional(),
  schema: z.string(),
  type_name: z.string(),
  display_type_name: z.string(),
  total_count: z.int().min(0),
});

const typeName = shaped({ enum: NAMES });
const id = shaped({ type: "string", format: "uuid" });
const blobField = shaped({ enum: [...new Set(TYPES.flatMap(({ blobs }) => [...blobs.keys()]))] });
const blobKey = shaped({ type: "string", minLength: 1, maxLength: 255, pattern: "^[^/\\u0000-\\u001f\\u007f]+$" });
const text = shaped({ type: "string", minLength: 1, maxLength: 255, pattern: "^[^\\u0000-\\u001f\\u007f]*$" });

const listQuery = z.strictObject({
  limit: shaped({ type: "integer", minimum: 1, maximum: 1000, default: 25 }).optional(),
  marker: id.optional(),
  name: text.optional(),
  owner: text.optional(),
  status: z.enum(["drafted", "active", "deactivated"]).optional(),
  visibility: z.enum(["private", "public"]).optional(),
});
const pointer = { type: "string", pattern: "^(/([^~/]|~[01])*)*$" };
const operationsOf = (op: readonly string[], more: Readonly<Record<string, unknown>>) => ({
  type: "object",
  properties: { op: { enum: op }, path: pointer, ...more },
  required: ["op", "path", ...Object.keys(more)],
});
const patch = shaped(
  {
    title: "JSON Patch (RFC 6902)",
    type: "array",
    maxItems: 100,
    items: {
      anyOf: [
        operationsOf(["add", "replace", "test"], { value: {} }),
        operationsOf(["remove"], {}),
        operationsOf(["move", "copy"], { from: pointer }),
      ],
    },
  },
  "ArtifactPatch",
);
const digest = (digits: number) => ({ type: ["string", "null"], pattern: `^[0-9a-fA-F]{${digits}}$` });
const location = shaped(
  {
    title: "Where the bytes of an external blob are; null means absent",
    type: "object",
    properties: {
      url: { type: "string", pattern: "^https?://", maxLength: 4096 },
      md5: digest(32),
      sha1: digest(40),
      sha256: digest(64),
      sha512: digest(128),
      size: { type: ["integer", "null"], minimum: 0 },
    },
    required: ["url"],
    additionalProperties: false,
  },
  "CustomLocation",
);

const NAMED: readonly ErrorCode[] = ["type-not-found", "artifact-not-found"];
const OF_BLOB: readonly ErrorCode[] = [...NAMED, "blob-not-found", "conflict"];
const OF_LOCATION: readonly ErrorCode[] = [
  "address-not-allowed",
  "host-not-allowed",
  "policy-denied",
  "content-blocked",
];
const OF_UPLOAD: readonly ErrorCode[] = [
  "payload-too-large",
  "request-timeout",
  "digest-mismatch",
  "size-mismatch",
  "spool-full",
  "no-space",
];

/** Every route of `artifactRoutes`, as the document tells it. */
export const ARTIFACT_OPERATIONS: readonly Operation[] = [
  {
    method: "get",
    path: "/artifacts/:type",
    face,
    summary: "Lists artifacts that the caller may see, newest first; type `all` spans types",
    tags,
    roles: ROLES,
    params: { type: shaped({ enum: [...NAMES, "all"] }) },
    query: listQuery,
    responses: { 200: page },
    errors: ["type-not-found"],
  },
  {
    method: "post",
    path: "/artifacts/:type",
    face,
    summary: "Creates an artifact, drafted",
    tags,
    roles: writers,
    params: { type: typeName },
    body: draft,
    responses: { 201: artifact },
    etag: true,
    errors: ["type-not-found", "conflict"],
  },
  {
    method: "get",
    path: "/artifacts/:type/:id",
    face,
    summary: "Shows an artifact",
    tags,
    roles: ROLES,
    params: { type: typeName, id },
    responses: { 200: artifact, 304: null },
    etag: true,
    errors: NAMED,
  },
  {
    method: "patch",
    path: "/artifacts/:type/:id",
    face,
    summary: "Changes an artifact, its status and its visibility",
    tags,
    roles: writers,
    params: { type: typeName, id },
    body: patch,
    bodyTypes: ["application/json-patch+json"],
    ifMatch: "optional",
    responses: { 200: artifact },
    errors: [...NAMED, "conflict", ...OF_LOCATION],
  },
  {
    method: "delete",
    path: "/artifacts/:type/:id",
    face,
    summary: "Deletes an artifact with its blobs; nothing behind an external location is touched",
    tags,
    roles: writers,
    params: { type: typeName, id },
    ifMatch: "optional",
    responses: { 204: null },
    errors: [...NAMED, "conflict"],
  },
  ...blobOperations("/artifacts/:type/:id/:field", {}),
  ...blobOperations("/artifacts/:type/:id/:field/:key", { key: blobKey }),
];

/** What `artifactRoutes` has of a blob: reading it is `blobRoutes`'. */
function blobOperations(path: string, key: Readonly<Record<string, z.ZodType>>): readonly Operation[] {
  const common = {
    path,
    face,
    tags,
    roles: writers,
    params: { type: typeName, id, field: blobField, ...key },
  } as const;
  return [
    {
      ...common,
      method: "put",
      summary: "Sets the external location of a blob, or uploads its bytes",
      body: location,
      bodyTypes: ["application/vnd+openstack.glare-custom-location+json"],
      byteBodies: ["application/octet-stream", "*/*"],
      ifMatch: "optional",
      responses: { 200: artifact },
      errors: [...OF_BLOB, ...OF_LOCATION, ...OF_UPLOAD],
    },
    {
      ...common,
      method: "delete",
      summary: "Removes the external location of a blob",
      ifMatch: "optional",
      responses: { 200: artifact },
      errors: OF_BLOB,
    },
  ];
}

const OF_READ: readonly ErrorCode[] = [
  ...NAMED,
  "blob-not-found",
  "policy-denied",
  "content-blocked",
  "egress-quota",
  "precondition-failed",
  "range-not-satisfiable",
  "address-not-allowed",
  "host-not-allowed",
  "origin-unreachable",
  "origin-timeout",
  "origin-refused",
  "origin-failed",
  "origin-broken",
  "origin-encoded",
  "origin-unframed",
  "origin-loop",
  "origin-backing-off",
  "peer-unreachable",
  "peer-denied",
  "digest-mismatch",
  "size-mismatch",
  "content-changed",
  "spool-full",
  "no-space",
  "fill-cancelled",
];

/** Every route of `blobRoutes`, as the document tells it. */
export const BLOB_OPERATIONS: readonly Operation[] = [
  ...readOperations("/artifacts/:type/:id/:field", {}),
  ...readOperations("/artifacts/:type/:id/:field/:key", { key: blobKey }),
];

function readOperations(path: string, key: Readonly<Record<string, z.ZodType>>): readonly Operation[] {
  const common = { path, face, tags, roles: ROLES, params: { type: typeName, id, field: blobField, ...key } } as const;
  const checksum = z.enum(["md5", "sha1", "sha256", "sha512"]).optional();
  const bytes = media("*/*");
  return [
    {
      ...common,
      method: "get",
      summary: "The bytes of a blob, with ranges and conditions, or one of its checksums as text",
      query: z.strictObject({ checksum }),
      responses: { 200: bytes, 206: bytes, 302: null, 304: null },
      errors: OF_READ,
    },
    {
      ...common,
      method: "head",
      summary: "What the bytes of a blob are",
      responses: { 200: null, 302: null, 304: null },
      errors: OF_READ,
    },
  ];
}

function componentOf(type: string, suffix: string): string {
  return `${type
    .split("_")
    .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
    .join("")}${suffix}`;
}
