import type { ArtifactId } from "./artifact.ts";

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/** The id, in lower case; undefined when the text is not a UUID. RFC 9562 §4. */
export function parseArtifactId(text: string): ArtifactId | undefined {
  if (text.length !== 36) return undefined;
  const id = text.toLowerCase();
  return UUID.test(id) ? (id as ArtifactId) : undefined;
}
