import { z } from "zod";

/** The types that the command line knows, and the blob of each. */
export const BLOB_FIELD = { images: "image", files: "file" } as const;
export type ArtifactType = keyof typeof BLOB_FIELD;
export const ARTIFACT_TYPES: readonly ArtifactType[] = ["images", "files"];

const BLOB_VIEW = z.looseObject({
  url: z.string().nullish(),
  size: z.number().nullish(),
  sha256: z.string().nullish(),
  external: z.boolean().nullish(),
  status: z.string().nullish(),
});
export type BlobView = z.infer<typeof BLOB_VIEW>;

/** An artifact as far as the command line reads it; unknown members are kept for `--json`. */
export const ARTIFACT_VIEW = z.looseObject({
  id: z.string(),
  name: z.string(),
  version: z.string(),
  status: z.string(),
  visibility: z.string(),
  image: BLOB_VIEW.nullish(),
  file: BLOB_VIEW.nullish(),
});
export type ArtifactView = z.infer<typeof ARTIFACT_VIEW>;

export const ARTIFACT_PAGE = z.looseObject({ artifacts: z.array(ARTIFACT_VIEW), next: z.string().nullish() });

/** Path of an artifact, or of its type when no id is given. */
export function artifactPath(type: ArtifactType, id?: string): string {
  return id === undefined ? `/artifacts/${type}` : `/artifacts/${type}/${encodeURIComponent(id)}`;
}
