import { createHash } from "node:crypto";
import { z } from "zod";
import type { ContentDetails } from "../artifact/contents.ts";
import type { Block } from "../domain/blocks.ts";
import { CONTENT_STATES, type ContentEntry } from "../domain/content-inventory.ts";
import type { Shown } from "./operation.ts";
import { bytes, shownTime } from "./wire-fields.ts";

const blockMembers = { reason: z.string(), blocked_by: z.string(), blocked_at: shownTime };

/** Bytes that are refused to all. */
export const blockShape = z.object({ sha256: z.string(), ...blockMembers }).meta({ id: "Block" });

const contentMembers = {
  sha256: z.string(),
  md5: z.string().nullable(),
  sha1: z.string().nullable(),
  sha512: z.string().nullable(),
  size: bytes,
  state: z.enum(CONTENT_STATES),
  hits: z.int(),
  project: z.string().nullable(),
  origin: z.string().nullable(),
  /** Of the artifact that has had it longest; null: none has it. */
  artifact_name: z.string().nullable(),
  internal_blobs: z.int(),
  object: z.string(),
  admitted_at: shownTime,
  last_read_at: shownTime,
  scrubbed_at: shownTime.nullable(),
  irreplaceable_since: shownTime.nullable(),
  pin: z.object({ reason: z.string(), until: shownTime.nullable(), by: z.string() }).nullable(),
  block: z.object(blockMembers).nullable(),
};

/** Cached or uploaded bytes as they are listed. */
export const contentShape = z.object(contentMembers).meta({ id: "Content" });

/** One of them, with who refers to it and where it is. */
export const contentDetailsShape = z
  .object({
    ...contentMembers,
    /** The replica that answers has it as a local file. */
    hot: z.boolean(),
    referrers: z.array(
      z.object({
        artifact: z.string(),
        type: z.string(),
        name: z.string(),
        project: z.string(),
        field: z.string(),
        key: z.string().nullable(),
        internal: z.boolean(),
      }),
    ),
    more_referrers: z.boolean(),
  })
  .meta({ id: "ContentDetails" });

export type ContentView = Shown<z.input<typeof contentShape>>;

export function contentView(content: ContentEntry): ContentView {
  const { object, digests, pin, block } = content;
  const { sha256, fence } = object;
  return {
    sha256,
    md5: digests.md5 ?? null,
    sha1: digests.sha1 ?? null,
    sha512: digests.sha512 ?? null,
    size: content.size,
    state: content.state,
    hits: content.hits,
    project: content.project === "" ? null : content.project,
    origin: content.origin === "" ? null : content.origin,
    artifact_name: content.artifactName ?? null,
    internal_blobs: content.internalRefs,
    object: `sha256/${sha256.slice(0, 2)}/${sha256.slice(2, 4)}/${sha256}/${fence}`,
    admitted_at: content.admittedAt.toISOString(),
    last_read_at: content.lastReadAt.toISOString(),
    scrubbed_at: content.scrubbedAt?.toISOString() ?? null,
    irreplaceable_since: content.irreplaceableSince?.toISOString() ?? null,
    pin: pin === undefined ? null : { reason: pin.reason, until: pin.until?.toISOString() ?? null, by: pin.by },
    block: block === undefined ? null : blockMembersOf(block),
  };
}

export function contentDetailsView(details: ContentDetails): Shown<z.input<typeof contentDetailsShape>> {
  const { content, referrers, more, hot } = details;
  return {
    ...contentView(content),
    hot,
    referrers: referrers.map(({ artifactId, type, name, project, field, key, internal }) => ({
      artifact: artifactId,
      type,
      name,
      project,
      field,
      key: key === "" ? null : key,
      internal,
    })),
    more_referrers: more,
  };
}

export function blockView(block: Block): Shown<z.input<typeof blockShape>> {
  return { sha256: block.sha256, ...blockMembersOf(block) };
}

/** The ETag of what has no revision: what is shown of it. */
export function viewTag(view: unknown): string {
  return `"${createHash("sha256").update(JSON.stringify(view)).digest("hex").slice(0, 32)}"`;
}

function blockMembersOf({ reason, blockedBy, blockedAt }: Block) {
  return { reason, blocked_by: blockedBy, blocked_at: blockedAt.toISOString() };
}
