import type { ArtifactCatalog } from "../domain/artifact-catalog.ts";
import type { AuditTrail } from "../domain/audit.ts";
import type { Clock } from "../domain/clock.ts";
import type { ContentEntry, ContentFilter, ContentInventory } from "../domain/content-inventory.ts";
import type { Sha256 } from "../domain/digest.ts";
import { CisternError } from "../domain/errors.ts";
import type { JsonObject } from "../domain/json.ts";
import type { Principal } from "../domain/principal.ts";
import type { NewTask, TaskFilter, TaskId, TaskKind, TaskRecord, Tasks } from "../domain/tasks.ts";
import { requireAdmin } from "./access.ts";
import { requireOverview } from "./contents.ts";

/** What a purge would take out, without doing it. */
export interface PlannedPurge {
  readonly counts: JsonObject;
  /** The first of those that would go. */
  readonly contents: readonly ContentEntry[];
}

export interface TaskPorts {
  readonly tasks: Tasks;
  readonly inventory: ContentInventory;
  readonly artifacts: Pick<ArtifactCatalog, "find">;
  readonly audit: AuditTrail;
  readonly clock: Pick<Clock, "monotonic" | "sleep">;
  planPurge(filter: ContentFilter, force: boolean): Promise<PlannedPurge>;
  /** A filter as a task keeps it. */
  filterAsJson(filter: ContentFilter): JsonObject;
  /** There is a task of this kind: this process need not wait to find it. */
  wake(kind: TaskKind): void;
}

const VERIFY_WAIT_MS = 8_000;
const LOOK_MS = 100;

export interface PurgeRequest {
  readonly filter: ContentFilter;
  readonly force: boolean;
  readonly reason: string | undefined;
}

/** What a purge would do; the admin's, as the purge is. */
export async function dryRunPurge(
  ports: TaskPorts,
  principal: Principal,
  request: PurgeRequest,
): Promise<PlannedPurge> {
  requireAdmin(principal);
  await requireArtifact(ports, request.filter);
  return await ports.planPurge(request.filter, request.force);
}

export async function startPurge(ports: TaskPorts, principal: Principal, request: PurgeRequest): Promise<TaskRecord> {
  requireAdmin(principal);
  await requireArtifact(ports, request.filter);
  const { force, reason } = request;
  const query = { ...ports.filterAsJson(request.filter), force, ...(reason === undefined ? {} : { reason }) };
  return await start(ports, principal, { kind: "purge", query, createdBy: principal.tokenId });
}

/** Begins a cycle; one that runs already is answered instead. */
export async function startScrub(
  ports: TaskPorts,
  principal: Principal,
): Promise<{ task: TaskRecord; fresh: boolean }> {
  requireAdmin(principal);
  for (const state of ["running", "queued"] as const) {
    const [running] = await ports.tasks.list({ kinds: ["scrub"], state }, 1, undefined);
    if (running !== undefined) return { task: running, fresh: false };
  }
  const task = await start(ports, principal, { kind: "scrub", query: {}, createdBy: principal.tokenId });
  return { task, fresh: true };
}

/** Reads one content again; answers the task, which is over when that took no longer than a caller waits. */
export async function verifyContent(
  ports: TaskPorts,
  principal: Principal,
  sha256: Sha256,
  signal: AbortSignal,
): Promise<TaskRecord> {
  requireAdmin(principal);
  const content = await ports.inventory.find(sha256);
  if (content === undefined || content.state === "condemned") {
    throw new CisternError("content-not-found", "there is no such content");
  }
  const task = await start(ports, principal, { kind: "verify", query: { sha256 }, createdBy: principal.tokenId });
  const until = ports.clock.monotonic() + VERIFY_WAIT_MS;
  for (;;) {
    const now = (await ports.tasks.find(task.id)) ?? task;
    if (now.finishedAt !== undefined || ports.clock.monotonic() >= until) return now;
    await ports.clock.sleep(LOOK_MS, signal);
  }
}

export async function listTasks(
  ports: TaskPorts,
  principal: Principal,
  filter: TaskFilter,
  limit: number,
  after: TaskId | undefined,
): Promise<{ readonly tasks: readonly TaskRecord[]; readonly more: boolean }> {
  requireOverview(principal);
  const found = await ports.tasks.list(filter, limit + 1, after);
  return { tasks: found.slice(0, limit), more: found.length > limit };
}

export interface TaskDetails {
  readonly task: TaskRecord;
  readonly parts: readonly TaskRecord[];
}

/** Parts that are told of: one for each replica. */
const MAX_PARTS = 1_000;

/** `job-not-found`. */
export async function showTask(
  ports: TaskPorts,
  principal: Principal,
  kinds: readonly TaskKind[],
  id: TaskId,
): Promise<TaskDetails> {
  requireOverview(principal);
  const task = await find(ports, kinds, id);
  const parts =
    task.kind === "scrub" ? await ports.tasks.list({ kinds: ["scrub-hot"], parent: id }, MAX_PARTS, undefined) : [];
  return { task, parts };
}

/** Asks a task to end; one that is over stays as it is. */
export async function cancelTask(
  ports: TaskPorts,
  principal: Principal,
  kinds: readonly TaskKind[],
  id: TaskId,
): Promise<TaskRecord> {
  requireAdmin(principal);
  const before = await find(ports, kinds, id);
  const cancelled = await ports.tasks.cancel(id);
  if (cancelled === undefined) return before;
  const object = `${pathOf(cancelled.kind)}/${id}`;
  const states = { before: { state: before.state }, after: { state: cancelled.state } };
  await ports.audit.record({ principal, action: `${before.kind}.cancel`, object, ...states });
  return cancelled;
}

async function start(ports: TaskPorts, principal: Principal, wanted: NewTask): Promise<TaskRecord> {
  const task = await ports.tasks.create(wanted);
  ports.wake(task.kind);
  const object = `${pathOf(task.kind)}/${task.id}`;
  await ports.audit.record({ principal, action: `${task.kind}.start`, object, after: wanted.query });
  return task;
}

/** Where tasks of this kind are shown. */
function pathOf(kind: TaskKind): string {
  return kind === "purge" ? "purges" : "scrubs";
}

async function find({ tasks }: TaskPorts, kinds: readonly TaskKind[], id: TaskId): Promise<TaskRecord> {
  const task = await tasks.find(id);
  if (task === undefined || !kinds.includes(task.kind)) throw new CisternError("job-not-found", "there is no such job");
  return task;
}

/** A purge by an artifact that is not there is a mistake, not a purge of nothing. */
async function requireArtifact({ artifacts }: TaskPorts, { artifact }: ContentFilter): Promise<void> {
  if (artifact === undefined || (await artifacts.find(artifact)) !== undefined) return;
  throw new CisternError("artifact-not-found", "there is no such artifact");
}
