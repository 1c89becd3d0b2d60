import type { AuditTrail } from "../domain/audit.ts";
import { CisternError, invalid } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import type { ListedQuota, ProjectQuota, QuotaCatalog } from "../domain/quotas.ts";
import { requireAdmin, seesAll } from "./access.ts";

export interface QuotaPorts {
  readonly quotas: QuotaCatalog;
  readonly audit: AuditTrail;
  /** What holds for a project of which nothing is set; Infinity: no limit. */
  readonly quotaDefaults: (project: string) => { readonly [N in keyof ProjectQuota]: number };
  /** Told when quotas have changed, so that they hold here at once. */
  onQuotasChanged(): Promise<void>;
}

/** What is to be set: what is left out stays, null is as the deployment has it again. */
export interface QuotaChange {
  readonly project: string;
  readonly fetchedBytesPerDay?: number | null | undefined;
  readonly concurrentFills?: number | null | undefined;
}

export interface ShownQuota {
  readonly project: string;
  /** In force: its own, or else the deployment's. */
  readonly limits: { readonly [N in keyof ProjectQuota]: number };
  /** Bytes fetched today. */
  readonly fetched: number;
}

/** Every project of which something is set; the admin's and the auditor's. */
export async function listQuotas({ quotas }: QuotaPorts, principal: Principal): Promise<readonly ListedQuota[]> {
  if (!seesAll(principal)) throw new CisternError("forbidden", "this needs the role admin or auditor");
  return await quotas.list();
}

/** What holds for one project, and what it has used; of one's own for everybody. */
export async function showQuota(ports: QuotaPorts, principal: Principal, project: string): Promise<ShownQuota> {
  if (!seesAll(principal) && principal.project !== project) {
    throw new CisternError("forbidden", "the quotas of another project need the role admin or auditor");
  }
  const [own, used] = await Promise.all([ports.quotas.find(project), ports.quotas.used()]);
  const otherwise = ports.quotaDefaults(project);
  const limits = {
    fetchedBytesPerDay: own.fetchedBytesPerDay ?? otherwise.fetchedBytesPerDay,
    concurrentFills: own.concurrentFills ?? otherwise.concurrentFills,
  };
  return { project, limits, fetched: used.get(project) ?? 0 };
}

/**
 * Sets quotas of several projects, all or none; the admin's. In force at once here, within seconds on other replicas.
 *
 * @param requireSeen throws unless what is set is what the caller has seen
 */
export async function setQuotas(
  ports: QuotaPorts,
  principal: Principal,
  changes: readonly QuotaChange[],
  requireSeen: (known: readonly ListedQuota[]) => void,
): Promise<readonly ListedQuota[]> {
  requireAdmin(principal);
  const names = changes.map(({ project }) => project);
  const twice = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (twice >= 0) throw invalid(`${twice}.project_id`, "must not be named twice");
  const { before, after } = await ports.quotas.change((known) => {
    requireSeen(known);
    return changes.map((change) => changed(of(change.project, known), change));
  });
  // All at once: one that cannot be written keeps no other from being noted.
  await Promise.all(names.map((name) => note(ports, principal, name, of(name, before), of(name, after))));
  await ports.onQuotasChanged();
  return after;
}

const NONE: ProjectQuota = { fetchedBytesPerDay: undefined, concurrentFills: undefined };

function of(project: string, quotas: readonly ListedQuota[]): ListedQuota | undefined {
  return quotas.find((quota) => quota.project === project);
}

function note(
  { audit }: QuotaPorts,
  principal: Principal,
  project: string,
  was: ProjectQuota | undefined,
  is: ProjectQuota = NONE,
): Promise<void> {
  const states = { ...(was === undefined ? {} : { before: audited(was) }), after: audited(is) };
  return audit.record({ principal, action: "quota.set", object: `quotas/${project}`, ...states });
}

function changed(was: ListedQuota | undefined, change: QuotaChange): ListedQuota {
  const { project, fetchedBytesPerDay: bytes, concurrentFills: fills } = change;
  return {
    project,
    fetchedBytesPerDay: bytes === undefined ? was?.fetchedBytesPerDay : (bytes ?? undefined),
    concurrentFills: fills === undefined ? was?.concurrentFills : (fills ?? undefined),
  };
}

/** As JSON can say it: no limit is -1, as on the wire. */
function audited({ fetchedBytesPerDay, concurrentFills }: ProjectQuota): Record<string, unknown> {
  const shown = (limit: number | undefined) => (limit === Number.POSITIVE_INFINITY ? -1 : (limit ?? null));
  return { max_fetched_bytes_per_day: shown(fetchedBytesPerDay), max_concurrent_fills: shown(concurrentFills) };
}
