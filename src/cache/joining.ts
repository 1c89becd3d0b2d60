import type { ResolvedBlob } from "../domain/blob.ts";
import type { ContentRecord } from "../domain/content.ts";
import { ALGORITHMS, contradiction } from "../domain/digest.ts";
import type { Fill } from "./fill.ts";
import type { FillPlan, FillRecord } from "./fill-plan.ts";

/** Names the copies of one object from the store. */
export function storedKey({ object }: ContentRecord): string {
  return `stored:${object.sha256}/${object.fence}`;
}

/** The recorded sha256, else the blob: md5 and sha1 never select (I6). */
export function contentKey(resolved: ResolvedBlob): string {
  return resolved.blob.digests.sha256 ?? `blob:${resolved.blob.id}`;
}

/** A record as a fill keeps it. */
export function recordOf({ blob, artifact }: ResolvedBlob): FillRecord {
  const publicly = artifact.visibility === "public" && artifact.status === "active";
  const { owner, type, name } = artifact;
  return { blob: blob.id, ref: blob, owner, publicly, type, name };
}

/**
 * Bytes are earned per location: by records of one project, or through one that everybody may read
 * (I6). The same URL is no ground: it may be a mirror of the other record that delivers.
 */
export function mayJoin(fill: Fill, { artifact }: ResolvedBlob): boolean {
  return [...fill.records.values()].some((other) => other.owner === artifact.owner || other.publicly);
}

/** True when passing this fill's plan means passing the record's as well. */
export function verifies(plan: FillPlan, { blob }: ResolvedBlob): boolean {
  const covered = ALGORITHMS.every((name) => blob.digests[name] === undefined || plan.digests[name] !== undefined);
  return (
    covered &&
    contradiction(plan.digests, blob.digests) === undefined &&
    (blob.size === undefined || blob.size === plan.size)
  );
}
