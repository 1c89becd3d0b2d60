import type { Artifact, ArtifactRecord } from "./artifact.ts";
import type { BlobRecord } from "./blob.ts";
import { findArtifactType } from "./builtin-types.ts";
import type { FillId, FillReason, NewFill } from "./fill-entry.ts";
import { maskUrl, originOf } from "./location.ts";

/** The blobs of an artifact that are fetched ahead: external ones that are no mirrors of another. */
export function prefetchable(artifact: Artifact): readonly BlobRecord[] {
  const rules = findArtifactType(artifact.type)?.blobs;
  return artifact.blobs.filter(
    ({ location, field }) => location?.kind === "external" && rules?.get(field)?.mirrorsOf === undefined,
  );
}

/** What is wanted of a fetch ahead. */
export interface FillWish {
  readonly priority: number;
  readonly askedBy: string;
  readonly via: FillReason;
  readonly parent?: FillId | undefined;
  readonly notBefore?: Date | undefined;
  readonly deadline?: Date | undefined;
  /** Milliseconds. */
  readonly pinFor?: number | undefined;
}

/** The prefetch of one blob, which has an external location. */
export function prefetchOf(id: FillId, artifact: ArtifactRecord, blob: BlobRecord, wish: FillWish): NewFill {
  const { artifactId, field, key, location } = blob;
  const url = location?.kind === "external" ? location.url : undefined;
  if (url === undefined) throw new TypeError("a prefetch of what has no URL");
  const { type, name, owner } = artifact;
  return {
    ...wish,
    id,
    kind: "prefetch",
    ref: { artifactId, field, key },
    ...{ type, name, project: owner, source: maskUrl(url), origin: originOf(url) },
  };
}
