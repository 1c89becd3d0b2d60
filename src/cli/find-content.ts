import { BLOB_FIELD } from "./artifact-view.ts";
import { EXIT, Failure } from "./failure.ts";
import { findArtifact, UUID } from "./find-artifact.ts";
import type { Session } from "./session.ts";

const SHA256 = /^[0-9a-f]{64}$/i;

const SEE_CONTENTS = "a sha256 has 64 hexadecimal digits: cistern cache ls shows them; cistern ls shows the artifacts";

/** What the help says of an argument that findContent reads. */
export const CONTENT_ARGUMENT = "its sha256, or the name or id of an artifact that has it";

/** The sha256 of a content: given itself, or that of the bytes of the one artifact of this name or id. */
export async function findContent({ client, signal }: Session, given: string): Promise<string> {
  if (SHA256.test(given)) return given.toLowerCase();
  const { type, artifact } = await findArtifact(client, given, signal, SEE_CONTENTS);
  const sha256 = artifact[BLOB_FIELD[type]]?.sha256;
  if (sha256 != null) return sha256;
  throw new Failure(`of "${given}" no sha256 is known yet: it was never fetched`, {
    exit: EXIT.notFound,
    code: "content-not-found",
  });
}

/** The id that `--artifact` means: given itself, or by name. */
export async function findArtifactId(
  { client, signal }: Session,
  given: string | undefined,
): Promise<string | undefined> {
  if (given === undefined || UUID.test(given)) return given;
  return (await findArtifact(client, given, signal)).artifact.id;
}
