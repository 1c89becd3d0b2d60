import type { Artifact } from "../domain/artifact.ts";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import { parseObject } from "../domain/artifact-draft.ts";
import type { AuditTrail } from "../domain/audit.ts";
import type { BlobCatalog } from "../domain/blob-catalog.ts";
import { ALGORITHMS, type Algorithm, type Digests, parseDigest, sha256 } from "../domain/digest.ts";
import { invalid } from "../domain/errors.ts";
import { FieldProblems, shortName } from "../domain/field-problems.ts";
import { type ExternalLocation, maskUrl, parseLocationUrl } from "../domain/location.ts";
import { isAdmin, type Principal } from "../domain/principal.ts";
import type { Source } from "../domain/source.ts";
import { findChangeable } from "./access.ts";
import { auditedBlob, auditedName } from "./audited-artifact.ts";
import { announceChange, type BlobChanges } from "./blob-changes.ts";
import { type ExpectedRevision, requireRevision } from "./expected-revision.ts";
import { type NamedBlob, recordOf, requirePlace, requireSameContent } from "./named-blob.ts";
import { type RegistrationPorts, requireByPolicy } from "./registration.ts";

export interface SetLocationPorts extends RegistrationPorts {
  readonly artifacts: ArtifactCatalog;
  readonly blobs: BlobCatalog;
  readonly source: Pick<Source, "admissible">;
  readonly changes: BlobChanges;
  readonly audit: AuditTrail;
}

interface GivenLocation {
  readonly url: string;
  readonly digests: Digests;
  readonly size: number | undefined;
}

const CONTENT_TYPE = "application/octet-stream";
const MEMBERS: ReadonlySet<string> = new Set(["url", "size", ...ALGORITHMS]);

/**
 * Sets the external location of a blob and answers the artifact. With `expected` (If-Match) the
 * URL of a blob that has one is replaced, and nothing else of it. `invalid-input` names every
 * broken rule; `conflict` for a second location or digests that contradict;
 * `policy-denied` and rules of the policy that ask for more than is given;
 * `host-not-allowed` and `address-not-allowed` as the guard has it (I8).
 */
export async function setLocation(
  ports: SetLocationPorts,
  principal: Principal,
  named: NamedBlob,
  body: unknown,
  expected: ExpectedRevision,
): Promise<Artifact> {
  const { ref, type } = named;
  const owner = { type: type.name, id: ref.artifactId };
  const artifact = await findChangeable(ports.artifacts, principal, owner);
  requireRevision(artifact, expected);
  const given = parseLocation(body);
  const setBy = isAdmin(principal) ? "admin" : "member";
  const location: ExternalLocation = { kind: "external", url: given.url, setBy };
  ports.source.admissible(location);
  requirePlace(artifact, named);
  requireSameContent(artifact, named, given.digests, given.size);
  requireByPolicy(ports, artifact, { ...given, ref, location });
  const before = recordOf(artifact, ref);
  const current = before?.location;
  const replacing = expected !== undefined && current?.kind === "external" ? current.url : undefined;
  await ports.blobs.setLocation(ref, { ...given, setBy, contentType: CONTENT_TYPE }, replacing);
  announceChange(ports.changes, artifact, ref);
  ports.onRegistered(ref, principal);
  const { url, digests, size } = given;
  await ports.audit.record({
    principal,
    action: replacing === undefined ? "location.set" : "location.replace",
    object: auditedName(artifact, ref),
    ...(before === undefined ? {} : { before: auditedBlob(before) }),
    after: {
      location: "external",
      url: maskUrl(url),
      set_by: setBy,
      ...(size === undefined ? {} : { size }),
      ...digests,
    },
  });
  return findChangeable(ports.artifacts, principal, owner);
}

/** Parses a location's body; null means absent, for clients send every member. */
function parseLocation(body: unknown): GivenLocation {
  const members = parseObject(body, "location");
  const problems = new FieldProblems();
  for (const name of members.keys()) {
    if (!MEMBERS.has(name)) problems.add(`location.${shortName(name)}`, "is not a member of a location");
  }
  const url = problems.take(() => parseUrl(members.get("url") ?? undefined));
  const size = problems.take(() => parseSize(members.get("size") ?? undefined));
  const digests = parseDigests(members, problems);
  problems.throwIfAny();
  return { url: url ?? "", digests, size };
}

function parseUrl(value: unknown): string {
  if (typeof value !== "string") throw invalid("location.url", "must be a string: an http or https URL");
  return parseLocationUrl(value, "location.url");
}

function parseSize(value: unknown): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === "number" && Number.isSafeInteger(value) && value >= 0) return value;
  throw invalid("location.size", "must be a whole number of bytes from 0 to 9007199254740991");
}

function parseDigests(members: ReadonlyMap<string, unknown>, problems: FieldProblems): Digests {
  const given = (algorithm: Algorithm) => problems.take(() => parseOptional(algorithm, members.get(algorithm)));
  const [md5, sha1, hex256, sha512] = [given("md5"), given("sha1"), given("sha256"), given("sha512")];
  return {
    ...(md5 === undefined ? {} : { md5 }),
    ...(sha1 === undefined ? {} : { sha1 }),
    ...(hex256 === undefined ? {} : { sha256: sha256(hex256) }),
    ...(sha512 === undefined ? {} : { sha512 }),
  };
}

function parseOptional(algorithm: Algorithm, value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined;
  const field = `location.${algorithm}`;
  if (typeof value !== "string") throw invalid(field, "must be a string of hexadecimal digits");
  return parseDigest(algorithm, value, field);
}
