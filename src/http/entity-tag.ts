import type { ExpectedRevision } from "../artifact/expected-revision.ts";
import type { ArtifactRecord } from "../domain/artifact.ts";
import { CisternError, invalid } from "../domain/errors.ts";

const ENTITY_TAGS = /^(?:W\/)?"[\x21\x23-\x7e]*"(?:\s*,\s*(?:W\/)?"[\x21\x23-\x7e]*")*$/;

/** The ETag of an artifact: its revision. */
export function entityTag(artifact: ArtifactRecord): string {
  return revisionTag(artifact.revision);
}

/** The strong tags that an `If-Match` names, quotes included; `any`: whatever is there. */
export type EntityTags = "any" | readonly string[];

/** What an `If-Match` names; weak tags never match (RFC 9110 §13.1.1) and are left out. `invalid-input`. */
function parseTags(header: string): EntityTags {
  const text = header.trim();
  if (text === "*") return "any";
  if (text.length > 1024 || !ENTITY_TAGS.test(text)) {
    throw invalid("header.if-match", 'must be *, or entity tags in quotes such as "r1"');
  }
  return [...text.matchAll(/(W\/)?("[^"]*")/g)].flatMap(([, weak, tag]) =>
    weak === undefined && tag !== undefined ? [tag] : [],
  );
}

/** The tags of a request; `precondition-required` (RFC 6585 §3) when they are needed and not there. */
export function expectedTags(
  needed: "required" | "optional" | undefined,
  header: string | undefined,
): EntityTags | undefined {
  if (needed === undefined) return undefined;
  if (header !== undefined) return parseTags(header);
  if (needed === "optional") return undefined;
  const [field, rule] = ["header.if-match", "must name the ETag of what is replaced"];
  throw new CisternError("precondition-required", `${field}: ${rule}`, { fields: [{ field, rule }] });
}

/** `precondition-failed` unless the tags name this one. */
export function requireTag(expected: EntityTags | undefined, current: string): void {
  if (expected === undefined || expected === "any" || expected.includes(current)) return;
  throw new CisternError("precondition-failed", "it has changed since it was read", {
    fields: [{ field: "header.if-match", rule: "must name the current ETag" }],
  });
}

/** The ETag of something with a revision. */
export function revisionTag(revision: number): string {
  return `"r${revision}"`;
}

/** The revisions that tags of `revisionTag` name. */
export function revisionsOf(tags: EntityTags | undefined): ExpectedRevision {
  if (tags === undefined || tags === "any") return tags;
  return tags.flatMap((tag) => {
    const digits = /^"r(\d{1,15})"$/.exec(tag)?.[1];
    return digits === undefined ? [] : [Number(digits)];
  });
}

/** The revisions that an If-Match names. */
export function parseIfMatch(header: string | undefined): ExpectedRevision {
  return header === undefined ? undefined : revisionsOf(parseTags(header));
}
