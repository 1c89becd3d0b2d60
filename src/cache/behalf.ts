import type { BlobRef } from "../domain/blob.ts";
import type { Behalf } from "../domain/egress.ts";
import type { Fill } from "./fill.ts";

/** On whose account a fill fetches: the record's that it was started for. */
export function behalfOf(fill: Fill): Behalf {
  const [first] = fill.records.values();
  return {
    project: first?.owner ?? "",
    blob: first === undefined ? "" : nameOf(first.ref),
    fill: fill.id,
    size: fill.plan.size,
  };
}

/** A blob as the audit calls it. */
export function nameOf({ artifactId, field, key }: BlobRef): string {
  return `artifacts/${artifactId}/${field}${key === "" ? "" : `/${encodeURIComponent(key)}`}`;
}
