import { type SQL, sql } from "drizzle-orm";
import type { BlobRecord } from "../domain/blob.ts";
import type { Location } from "../domain/location.ts";
import { digestsOf } from "./digest-columns.ts";
import { artifactId, blobId } from "./row-ids.ts";
import { blobs } from "./schema.ts";

export type BlobRow = typeof blobs.$inferSelect;

/** What of a row makes a record; rows that were gathered as JSON have just this. */
export type StoredBlob = Pick<
  BlobRow,
  | "id"
  | "artifactId"
  | "field"
  | "key"
  | "kind"
  | "url"
  | "setBy"
  | "md5"
  | "sha1"
  | "sha256"
  | "sha512"
  | "size"
  | "digestSource"
  | "contentType"
>;

export function blobOf(row: StoredBlob): BlobRecord {
  return {
    id: blobId(row.id),
    artifactId: artifactId(row.artifactId),
    field: row.field,
    key: row.key,
    location: locationOf(row),
    digests: digestsOf(row),
    size: row.size ?? undefined,
    digestSource: row.digestSource ?? undefined,
    contentType: row.contentType,
  };
}

function locationOf(row: StoredBlob): Location | undefined {
  if (row.kind === "internal") return { kind: "internal" };
  // The table's own check: external, url and set_by come together.
  if (row.url === null || row.setBy === null) return undefined;
  return { kind: "external", url: row.url, setBy: row.setBy };
}

/** The blobs (`m` in `where`) as one JSON list, by field and key: a join that does not multiply rows. */
export function blobList(where: SQL): SQL<StoredBlob[]> {
  return sql<StoredBlob[]>`(
    select coalesce(jsonb_agg(jsonb_build_object(
      'id', m.id, 'artifactId', m.artifact_id, 'field', m.field, 'key', m.key,
      'kind', m.kind, 'url', m.url, 'setBy', m.set_by,
      'md5', m.md5, 'sha1', m.sha1, 'sha256', m.sha256, 'sha512', m.sha512,
      'size', m.size, 'digestSource', m.digest_source, 'contentType', m.content_type
    ) order by m.field, m.key), '[]'::jsonb)
    from ${blobs} m where ${where})`;
}
