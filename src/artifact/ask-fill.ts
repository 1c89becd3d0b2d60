import { randomUUID } from "node:crypto";
import type { Artifact, ArtifactId } from "../domain/artifact.ts";
import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import type { AuditTrail } from "../domain/audit.ts";
import type { BlobRecord } from "../domain/blob.ts";
import type { BlobSearch } from "../domain/blob-search.ts";
import type { Clock } from "../domain/clock.ts";
import { formatDuration } from "../domain/duration.ts";
import { CisternError, invalid } from "../domain/errors.ts";
import type { FillEntry, FillId, FillQuery, NewFill, QueryState } from "../domain/fill-entry.ts";
import { PRIORITIES } from "../domain/fill-entry.ts";
import type { FillQueue } from "../domain/fill-queue.ts";
import { parseLocationUrl } from "../domain/location.ts";
import { type FillWish, prefetchable, prefetchOf } from "../domain/prefetchable.ts";
import { isAdmin, type Principal } from "../domain/principal.ts";
import { findChangeable, requireWriter } from "./access.ts";

export interface AskFillPorts {
  readonly artifacts: ArtifactCatalog;
  readonly search: BlobSearch;
  readonly queue: FillQueue;
  readonly clock: Clock;
  readonly audit: AuditTrail;
  /** Told when there is something to do. */
  onFill(): void;
}

/** What is to be fetched before anybody reads it. */
export type FillTarget =
  | { readonly artifact: ArtifactId; readonly blob: { readonly field: string; readonly key: string } | undefined }
  | { readonly query: FillQuery }
  | { readonly url: string };

export interface FillRequest {
  readonly target: FillTarget;
  readonly priority: number | undefined;
  readonly notBefore: Date | undefined;
  readonly deadline: Date | undefined;
  /** Milliseconds. */
  readonly pinFor: number | undefined;
}

export interface AskedFill {
  readonly fill: FillEntry;
  /** False: it waits or runs already. */
  readonly fresh: boolean;
}

const DAY_MS = 86_400_000;
const LONGEST_WAIT_MS = 366 * DAY_MS;
/** Longer is the admin's. */
const MEMBERS_PIN_MS = 30 * DAY_MS;
/** Of a member's project, that wait or run. */
const MEMBERS_QUERIES = 100;
const RETRY_AFTER_S = 60;

/**
 * Queues a prefetch of an artifact's bytes, of all artifacts that a query finds, or of what is
 * registered under a URL. A member's, of what its project owns: other artifacts are `forbidden`, or
 * `artifact-not-found` when it may not know of them.
 */
export async function askFill(ports: AskFillPorts, principal: Principal, request: FillRequest): Promise<AskedFill> {
  requireWriter(principal);
  const { notBefore, deadline, pinFor } = checkTimes(request, ports.clock.now());
  const priority = request.priority ?? PRIORITIES.normal;
  refuseMembers(principal, priority, pinFor);
  const wish: FillWish = { priority, askedBy: principal.tokenId, via: "request", notBefore, deadline, pinFor };
  const { target } = request;
  const asked =
    "query" in target
      ? await askSet(ports, principal, queryOf(target.query, principal, wish))
      : await askBlobs(ports, principal, await blobsOf(ports, principal, target), wish);
  await ports.audit.record(noteOf(principal, asked));
  ports.onFill();
  return asked;
}

function checkTimes(request: FillRequest, now: Date): FillRequest {
  const { notBefore, deadline, pinFor } = request;
  if (deadline !== undefined && deadline <= now) throw invalid("deadline", "must lie in the future");
  if (deadline !== undefined && notBefore !== undefined && deadline <= notBefore) {
    throw invalid("deadline", "must lie after not_before");
  }
  if (notBefore !== undefined && notBefore.getTime() > now.getTime() + LONGEST_WAIT_MS) {
    throw invalid("not_before", "must lie within a year");
  }
  if (pinFor !== undefined && (pinFor <= 0 || pinFor > 100 * LONGEST_WAIT_MS)) {
    throw invalid("pin_for", "must be a duration above nothing, of at most 100 years");
  }
  return request;
}

/** Fair shares hold among equals: whoever goes before all others is to be trusted by all. */
function refuseMembers(principal: Principal, priority: number, pinFor: number | undefined): void {
  if (isAdmin(principal)) return;
  if (priority > PRIORITIES.normal) {
    throw new CisternError("forbidden", `a priority above ${PRIORITIES.normal} (normal) needs the role admin`);
  }
  if (pinFor !== undefined && pinFor > MEMBERS_PIN_MS) {
    throw new CisternError("forbidden", "a pin_for of more than 30 days needs the role admin");
  }
}

/** What the caller may change is what it may have fetched. */
function queryOf(query: FillQuery, principal: Principal, wish: FillWish): NewFill {
  const own = isAdmin(principal) ? query : { ...query, owner: principal.project };
  if (query.owner !== undefined && own.owner !== query.owner) {
    throw new CisternError("forbidden", "artifacts of other projects need the role admin");
  }
  return setOf({ query: own, searched: false, artifacts: 0 }, principal, wish);
}

function setOf(query: QueryState, principal: Principal, wish: FillWish): NewFill {
  const place = { ref: undefined, name: "", source: "", origin: "", type: query.query.type ?? "" };
  return { ...wish, ...place, id: newId(), kind: "query", project: principal.project, query };
}

interface Found {
  readonly artifact: Artifact;
  readonly blob: BlobRecord;
}

async function blobsOf(
  ports: AskFillPorts,
  principal: Principal,
  target: Exclude<FillTarget, { readonly query: FillQuery }>,
): Promise<readonly Found[]> {
  if ("url" in target) return await blobsAt(ports, principal, target.url);
  const artifact = await changeable(ports, principal, target.artifact);
  const { blob: wanted } = target;
  const blobs =
    wanted === undefined
      ? prefetchable(artifact)
      : artifact.blobs.filter(({ field, key }) => field === wanted.field && key === wanted.key);
  const external = blobs.filter(({ location }) => location?.kind === "external");
  if (external.length > 0) return external.map((blob) => ({ artifact, blob }));
  const uploaded = artifact.blobs.some(({ location }) => location?.kind === "internal");
  if (uploaded) throw new CisternError("conflict", "its bytes were uploaded: there is nothing to fetch");
  throw new CisternError("blob-not-found", "the artifact has no such blob with a location");
}

async function blobsAt(ports: AskFillPorts, principal: Principal, given: string): Promise<readonly Found[]> {
  const url = parseLocationUrl(given, "url");
  const ids = await ports.search.artifactsAt(url, isAdmin(principal) ? undefined : principal.project);
  const found: Found[] = [];
  for (const id of ids) {
    const artifact = await ports.artifacts.find(id);
    if (artifact === undefined) continue;
    for (const blob of artifact.blobs) {
      if (blob.location?.kind === "external" && blob.location.url === url) found.push({ artifact, blob });
    }
  }
  if (found.length > 0) return found;
  const rule = "must be the URL of a registered location: register it first (POST /artifacts/files, or cistern add)";
  throw new CisternError("artifact-not-found", `url: ${rule}`, { fields: [{ field: "url", rule }] });
}

/** By its id alone. */
async function changeable(ports: AskFillPorts, principal: Principal, id: ArtifactId): Promise<Artifact> {
  const artifact = await ports.artifacts.find(id);
  if (artifact === undefined) throw new CisternError("artifact-not-found", "there is no such artifact");
  return await findChangeable(ports.artifacts, principal, { type: artifact.type, id });
}

/** One, or a set of them under a row that tells of all. */
async function askBlobs(
  ports: AskFillPorts,
  principal: Principal,
  found: readonly Found[],
  wish: FillWish,
): Promise<AskedFill> {
  const [only, ...others] = found;
  if (only === undefined) throw new CisternError("blob-not-found", "there is nothing to fetch");
  if (others.length === 0) return await ports.queue.add(prefetchOf(newId(), only.artifact, only.blob, wish));
  const set = setOf({ query: {}, searched: true, artifacts: found.length }, principal, wish);
  const asked = await askSet(ports, principal, set);
  const parts = found.map(({ artifact, blob }) =>
    prefetchOf(newId(), artifact, blob, { ...wish, parent: asked.fill.id }),
  );
  await ports.queue.addMissing(parts);
  return asked;
}

/** No blob keeps these from being many: their number does. */
async function askSet({ queue }: AskFillPorts, principal: Principal, set: NewFill): Promise<AskedFill> {
  if (!isAdmin(principal)) {
    const open = {
      states: ["queued", "running"],
      kind: "query",
      project: set.project,
      limit: MEMBERS_QUERIES,
    } as const;
    if ((await queue.list(open)).fills.length >= MEMBERS_QUERIES) {
      const message = `${MEMBERS_QUERIES} queries of the project wait or run: cancel some, or come again when some are done`;
      throw new CisternError("too-many-requests", message, { retryAfter: RETRY_AFTER_S });
    }
  }
  return await queue.add(set);
}

function newId(): FillId {
  return randomUUID() as FillId;
}

/** One that waits already may have been given another priority, time or pin. */
function noteOf(principal: Principal, { fill, fresh }: AskedFill) {
  const { id, kind, priority, source, project, ref, query, notBefore, deadline, pinFor } = fill;
  const after = {
    ...{ kind, priority, project, source },
    artifact: ref?.artifactId ?? null,
    query: query?.query ?? null,
    ...(notBefore === undefined ? {} : { not_before: notBefore }),
    ...(deadline === undefined ? {} : { deadline }),
    ...(pinFor === undefined ? {} : { pin_for: formatDuration(pinFor) }),
  };
  return { principal, action: fresh ? "fill.create" : "fill.change", object: `fills/${id}`, after };
}
