import type { ResolvedBlob } from "../domain/blob.ts";
import type { BlobFacts } from "./opened-blob.ts";

/** A hot hit asks for the same again and again. */
const known = new WeakMap<ResolvedBlob, BlobFacts>();

/** What the record tells of a blob: it depends on what was resolved and on nothing else. */
export function factsOf(resolved: ResolvedBlob): BlobFacts {
  const before = known.get(resolved);
  if (before !== undefined) return before;
  const { blob, artifact, content } = resolved;
  const digests = content === undefined ? blob.digests : { ...content.digests, ...blob.digests };
  const etag = digests.sha256 === undefined ? undefined : `"${digests.sha256}"`;
  // A date says nothing of bytes that may still come to be others.
  const lastModified = etag === undefined ? undefined : artifact.activatedAt;
  const facts = { resolved, digests, validators: { etag, lastModified } };
  known.set(resolved, facts);
  return facts;
}
