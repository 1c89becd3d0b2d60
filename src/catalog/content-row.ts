import type { ContentRecord, Fence, ObjectName } from "../domain/content.ts";
import { sha256 } from "../domain/digest.ts";
import { digestsOf, identified } from "./digest-columns.ts";
import type { contents } from "./schema.ts";

export type ContentRow = typeof contents.$inferSelect;

/** A number that comes from the fence sequence is one. */
export function fenceOf(number: number): Fence {
  return number as Fence;
}

export function objectOf(row: { readonly sha256: string; readonly fence: number }): ObjectName {
  return { sha256: sha256(row.sha256), fence: fenceOf(row.fence) };
}

export function contentOf(row: ContentRow): ContentRecord {
  return {
    object: objectOf(row),
    digests: identified(row.sha256, digestsOf(row)),
    size: row.size,
    admittedAt: row.admittedAt,
    lastReadAt: row.lastReadAt,
  };
}
