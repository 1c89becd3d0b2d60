import type { AuditTrail } from "../domain/audit.ts";
import { CisternError } from "../domain/errors.ts";
import type { FillEntry, FillId, FillState, Tally } from "../domain/fill-entry.ts";
import type { FillListQuery, FillQueue, FillWork } from "../domain/fill-queue.ts";
import { cloneJson } from "../domain/json.ts";
import { hearFill, type LiveFill, type LiveFills } from "../domain/live-fill.ts";
import { isAdmin, type Principal } from "../domain/principal.ts";
import type { Replicas } from "../domain/replica.ts";
import { seesAll } from "./access.ts";

export interface FillPorts {
  readonly queue: FillQueue;
  readonly work: Pick<FillWork, "order">;
  readonly replicas: Pick<Replicas, "alive">;
  readonly live: LiveFills;
  readonly audit: AuditTrail;
  /** Names this process: what others know of it is older than what it knows itself. */
  readonly holder: string;
  /** Told when something is to stop. */
  onFill(): void;
}

/** A fill as it is shown: a row of the queue with its parts counted, or one that a replica tells of. */
export type ShownFill =
  | { readonly kind: "entry"; readonly entry: FillEntry; readonly tally: Tally | undefined }
  | { readonly kind: "live"; readonly fill: LiveFill };

export interface ShownPage {
  readonly fills: readonly ShownFill[];
  readonly next: string | undefined;
}

/** What a replica tells of its fills is no older than this, or the replica is taken for gone. */
const HEARD_MS = 20_000;
/** Ids of fills that replicas tell of begin so. */
const LIVE = "d-";

/**
 * One page: first what replicas fetch for readers now, then the queue, newest first. A member sees
 * its own project's.
 */
export async function listFills(ports: FillPorts, principal: Principal, asked: FillListQuery): Promise<ShownPage> {
  const query = { ...asked, ...ownOnly(principal, asked.project) };
  const { after, limit } = query;
  const inLive = after === undefined || after.startsWith(LIVE);
  const live = inLive ? (await liveFills(ports, query)).filter(({ id }) => after === undefined || id > after) : [];
  const shown: ShownFill[] = live.slice(0, limit).map((fill) => ({ kind: "live", fill }));
  if (live.length > limit) return { fills: shown, next: live[limit - 1]?.id };
  const { after: _, ...first } = query;
  const rows = await ports.queue.list(inLive ? { ...first, limit: Math.max(1, limit - shown.length) } : query);
  // A full page of the one kind: the other begins on the next.
  if (shown.length === limit) return { fills: shown, next: rows.fills.length === 0 ? undefined : live.at(-1)?.id };
  const tallies = await ports.queue.tally(rows.fills.flatMap(({ kind, id }) => (kind === "query" ? [id] : [])));
  const entries = rows.fills.map((row) => shownEntry(ports, row, tallies.get(row.id)));
  return { fills: [...shown, ...entries], next: rows.next };
}

/** `fill-not-found`, also of what the caller may not know of. */
export async function findFill(ports: FillPorts, principal: Principal, id: FillId): Promise<ShownFill> {
  const entry = await ports.queue.find(id);
  if (entry !== undefined) {
    requireOwn(principal, entry.project);
    const tally = entry.kind === "query" ? (await ports.queue.tally([id])).get(id) : undefined;
    return shownEntry(ports, entry, tally);
  }
  const fill = id.startsWith(LIVE) ? (await allLive(ports)).find((one) => one.id === id) : undefined;
  if (fill === undefined) throw notFound();
  requireOwn(principal, fill.project);
  return { kind: "live", fill };
}

/**
 * Cancels: at once what waits; what runs is stopped by its replica within seconds. A fetch that
 * somebody reads goes on for its readers, unless an admin forces it: then they are cut.
 */
export async function cancelFill(
  ports: FillPorts,
  principal: Principal,
  id: FillId,
  force: boolean,
): Promise<ShownFill> {
  const found = await findFill(ports, principal, id);
  requireCanceller(principal, found, force);
  const entry = await stop(ports, principal, found, force);
  const { state, source, project } = entry;
  const after = { state, force };
  await ports.audit.record({
    principal,
    action: "fill.cancel",
    object: `fills/${id}`,
    before: { source, project },
    after,
  });
  ports.onFill();
  return { kind: "entry", entry, tally: entry.kind === "query" ? (await ports.queue.tally([id])).get(id) : undefined };
}

/** What runs here is told as it is now, what runs elsewhere as it was told last. */
function shownEntry({ live }: FillPorts, entry: FillEntry, tally: Tally | undefined): ShownFill {
  const now = entry.state === "running" ? live.progress(entry.id) : undefined;
  return { kind: "entry", entry: { ...entry, ...now }, tally };
}

async function stop(ports: FillPorts, principal: Principal, found: ShownFill, force: boolean): Promise<FillEntry> {
  if (found.kind === "live") {
    if (found.fill.followers > 0 && !force) {
      throw new CisternError("conflict", `${found.fill.followers} read it: an admin may force it, which cuts them`);
    }
    return await ports.work.order(found.fill, principal.tokenId, force);
  }
  const entry = await ports.queue.cancel(found.entry.id, force);
  if (entry === undefined) throw notFound();
  return entry;
}

function requireCanceller(principal: Principal, found: ShownFill, force: boolean): void {
  if (isAdmin(principal)) return;
  if (force) throw new CisternError("forbidden", "force needs the role admin: it cuts readers");
  const project = found.kind === "live" ? found.fill.project : found.entry.project;
  if (principal.roles.includes("member") && principal.project === project) return;
  throw new CisternError("forbidden", "this needs the role admin, or member of the project that owns it");
}

function ownOnly(principal: Principal, wanted: string | undefined): { readonly project?: string } {
  if (seesAll(principal)) return wanted === undefined ? {} : { project: wanted };
  if (!principal.roles.includes("member")) throw new CisternError("forbidden", "this needs the role member or auditor");
  if (wanted !== undefined && wanted !== principal.project) {
    throw new CisternError("forbidden", "what other projects fetch needs the role admin or auditor");
  }
  return { project: principal.project };
}

function requireOwn(principal: Principal, project: string): void {
  if (!seesAll(principal) && !(principal.roles.includes("member") && principal.project === project)) throw notFound();
}

async function liveFills(ports: FillPorts, query: FillListQuery): Promise<readonly LiveFill[]> {
  const { states, kind, project, origin, replica, artifact, parent } = query;
  const wanted: readonly FillState[] = states.length === 0 ? ["queued", "running"] : states;
  if ((kind !== undefined && kind !== "demand") || parent !== undefined) return [];
  const fits = (fill: LiveFill) =>
    wanted.includes(fill.waiting ? "queued" : "running") &&
    (project === undefined || fill.project === project) &&
    (origin === undefined || fill.origin === origin) &&
    (replica === undefined || fill.holder?.split("#", 1)[0] === replica) &&
    (artifact === undefined || fill.ref?.artifactId === artifact);
  return (await allLive(ports)).filter(fits);
}

/** Of all replicas, by id. */
async function allLive({ replicas, live, holder }: FillPorts): Promise<readonly LiveFill[]> {
  const others = (await replicas.alive(HEARD_MS)).filter((replica) => replica.holder !== holder);
  const heard = others.flatMap((replica) =>
    (replica.report.fills ?? []).flatMap((told) => hearFill(cloneJson(told), replica.holder) ?? []),
  );
  return [...live.list(), ...heard].sort((one, other) => (one.id < other.id ? -1 : 1));
}

function notFound(): CisternError {
  return new CisternError("fill-not-found", "there is no such fill");
}
