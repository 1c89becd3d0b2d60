import type { ArtifactRecord } from "../domain/artifact.ts";
import { CisternError } from "../domain/errors.ts";

/** The revisions that the caller has seen (If-Match); undefined: it does not care. */
export type ExpectedRevision = "any" | readonly number[] | undefined;

/** `precondition-failed` when the artifact is not what the caller has seen. */
export function requireRevision(artifact: ArtifactRecord, expected: ExpectedRevision): void {
  if (expected === undefined || expected === "any" || expected.includes(artifact.revision)) return;
  throw new CisternError("precondition-failed", "the artifact has changed since it was read", {
    fields: [{ field: "header.if-match", rule: "must name the artifact's current ETag" }],
  });
}
