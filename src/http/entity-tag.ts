import type { ExpectedRevision } from "../artifact/expected-revision.ts";
import type { ArtifactRecord } from "../domain/artifact.ts";
import { invalid } from "../domain/errors.ts";

const ENTITY_TAGS = /^(?:W\/)?"[\x21\x23-\x7e]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e]*")*$/;

/** The ETag of an artifact: its revision. */
export function entityTag(artifact: ArtifactRecord): string {
  return `"r${artifact.revision}"`;
}

/** The revisions that an If-Match names. Weak tags never match (RFC 9110 §13.1.1). */
export function parseIfMatch(header: string | undefined): ExpectedRevision {
  const text = header?.trim();
  if (text === undefined) return undefined;
  if (text === "*") return "any";
  if (text.length > 1024 || !ENTITY_TAGS.test(text)) {
    throw invalid("header.if-match", 'must be *, or entity tags in quotes such as "r1"');
  }
  return [...text.matchAll(/(W\/)?"r(\d{1,15})"/g)]
    .filter(([, weak]) => weak === undefined)
    .map(([, , digits]) => Number(digits));
}
