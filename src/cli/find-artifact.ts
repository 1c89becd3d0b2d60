import type { ApiClient } from "./api-client.ts";
import type { ArtifactType, ArtifactView } from "./artifact-view.ts";
import { ARTIFACT_PAGE, ARTIFACT_TYPES, ARTIFACT_VIEW, artifactPath } from "./artifact-view.ts";
import { EXIT, Failure } from "./failure.ts";

export const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i;
const PAGE = 1000;

export interface Found {
  readonly type: ArtifactType;
  readonly artifact: ArtifactView;
}

/** The one artifact of this name or id. Several of one name: a failure that lists their ids. */
export async function findArtifact(
  client: ApiClient,
  nameOrId: string,
  signal: AbortSignal,
  hint = "cistern ls shows what this token may see",
): Promise<Found> {
  if (UUID.test(nameOrId)) {
    const byId = await findById(client, nameOrId, signal);
    if (byId !== undefined) return byId;
  }
  const named = await listArtifacts(client, { name: nameOrId }, signal);
  const [only, ...others] = named;
  if (only === undefined) {
    throw new Failure(`there is no artifact "${nameOrId}"`, {
      exit: EXIT.notFound,
      code: "artifact-not-found",
      hint,
    });
  }
  if (others.length === 0) return only;
  const candidates = named.map(({ artifact }) => `${artifact.id} (version ${artifact.version}, ${artifact.status})`);
  throw new Failure(`"${nameOrId}" names ${named.length} artifacts: give the id of one`, {
    exit: EXIT.usage,
    code: "ambiguous-name",
    hint: candidates.join("\n  "),
  });
}

/** Every artifact that the token may see, page by page, newest first within its type. */
export async function listArtifacts(
  client: ApiClient,
  filter: { readonly type?: ArtifactType; readonly name?: string },
  signal: AbortSignal,
): Promise<readonly Found[]> {
  const found: Found[] = [];
  for (const type of filter.type === undefined ? ARTIFACT_TYPES : [filter.type]) {
    const query = new URLSearchParams({ limit: String(PAGE) });
    if (filter.name !== undefined) query.set("name", filter.name);
    let path: string | null | undefined = `${artifactPath(type)}?${query}`;
    while (path) {
      const page: typeof ARTIFACT_PAGE._output = await client.call({ method: "GET", path }, ARTIFACT_PAGE, signal);
      found.push(...page.artifacts.map((artifact) => ({ type, artifact })));
      path = page.next;
    }
  }
  return found;
}

async function findById(client: ApiClient, id: string, signal: AbortSignal): Promise<Found | undefined> {
  for (const type of ARTIFACT_TYPES) {
    try {
      return {
        type,
        artifact: await client.call({ method: "GET", path: artifactPath(type, id) }, ARTIFACT_VIEW, signal),
      };
    } catch (error) {
      if (!(error instanceof Failure && error.details.status === 404)) throw error;
    }
  }
  return undefined;
}
