import type { ArtifactRecord } from "../artifact.ts";
import type { BlobRecord } from "../blob.ts";
import type { Digests } from "../digest.ts";
import { type UrlParts, urlParts } from "./url-parts.ts";

/** What rules are asked about, whoever wants it. */
export interface PolicySubject {
  readonly artifact: SubjectArtifact;
  /** The external URL; undefined: the bytes are uploaded, or there are none. */
  readonly origin: UrlParts | undefined;
  /** A member has set the URL, not an admin. */
  readonly setByMember: boolean;
  readonly digests: Digests;
  /** Bytes; undefined while nobody knows. */
  readonly size: number | undefined;
}

export type SubjectArtifact = Pick<ArtifactRecord, "type" | "name" | "tags" | "owner" | "visibility">;

/** A blob as rules see it. */
export function subjectOf(
  artifact: SubjectArtifact,
  blob: Pick<BlobRecord, "location" | "digests" | "size">,
): PolicySubject {
  const { location, digests, size } = blob;
  const external = location?.kind === "external" ? location : undefined;
  return {
    artifact,
    origin: external === undefined ? undefined : urlParts(external.url),
    setByMember: external?.setBy === "member",
    digests,
    size,
  };
}
