import { z } from "zod";
import type { BlobRef } from "../../domain/blob.ts";
import type { CatalogChange } from "../../domain/catalog-changes.ts";
import { CONTENT_STATES } from "../../domain/content-inventory.ts";
import { sha256 } from "../../domain/digest.ts";
import { objectOf } from "../content-row.ts";
import { fillId } from "../fill-row.ts";
import { artifactId, blobId, tokenId } from "../row-ids.ts";

const place = { artifactId: z.string(), field: z.string(), key: z.string() };

/** As the schema's triggers write them. */
const payloadSchema = z.discriminatedUnion("kind", [
  z.object({ kind: z.literal("artifact"), id: z.string() }),
  z.object({ kind: z.literal("blob"), ...place }),
  z.object({ kind: z.literal("blob-removed"), id: z.string(), ...place }),
  z.object({
    kind: z.literal("content"),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
    fence: z.int(),
    state: z.enum([...CONTENT_STATES, "gone"]),
  }),
  z.object({ kind: z.literal("token"), id: z.string() }),
  z.object({ kind: z.literal("grave"), ...place, caller: z.string(), anew: z.boolean() }),
  z.object({ kind: z.literal("block"), sha256: z.string().regex(/^[0-9a-f]{64}$/) }),
  z.object({ kind: z.literal("capacity") }),
  z.object({ kind: z.literal("policy"), version: z.int() }),
  z.object({ kind: z.literal("fill"), id: z.string() }),
  z.object({ kind: z.literal("unknown") }),
]);

type Payload = z.infer<typeof payloadSchema>;

const UNKNOWN: CatalogChange = { kind: "unknown" };

/** What a notification tells; one that cannot be read tells that something has changed. */
export function parseChange(text: string): CatalogChange {
  const payload = payloadSchema.safeParse(readJson(text));
  return payload.success ? changeOf(payload.data) : UNKNOWN;
}

function changeOf(payload: Payload): CatalogChange {
  switch (payload.kind) {
    case "artifact":
      return { kind: payload.kind, id: artifactId(payload.id) };
    case "blob":
      return { kind: payload.kind, ref: refOf(payload) };
    case "blob-removed":
      return { kind: payload.kind, id: blobId(payload.id), ref: refOf(payload) };
    case "content": {
      const object = objectOf(payload);
      return { kind: payload.kind, ...object, state: payload.state };
    }
    case "block":
      return { kind: payload.kind, sha256: sha256(payload.sha256) };
    case "token":
      return { kind: payload.kind, id: tokenId(payload.id) };
    case "grave":
      return { kind: payload.kind, grave: { ref: refOf(payload), caller: payload.caller, anew: payload.anew } };
    case "capacity":
      return { kind: payload.kind };
    case "policy":
      return { kind: payload.kind, version: payload.version };
    case "fill":
      return { kind: payload.kind, id: fillId(payload.id) };
    case "unknown":
      return UNKNOWN;
  }
}

function refOf(payload: { artifactId: string; field: string; key: string }): BlobRef {
  return { artifactId: artifactId(payload.artifactId), field: payload.field, key: payload.key };
}

function readJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
