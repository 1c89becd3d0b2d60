import type { AuditTrail } from "../domain/audit.ts";
import {
  type CapacityCatalog,
  type CapacityInForce,
  type CapacityRecord,
  type CapacitySettings,
  type CapacityUse,
  type ConfiguredCapacity,
  inForce,
  type Share,
} from "../domain/capacity.ts";
import { CisternError } from "../domain/errors.ts";
import { FieldProblems } from "../domain/field-problems.ts";
import type { Principal } from "../domain/principal.ts";
import type { Replica } from "../domain/replica.ts";
import { requireAdmin, seesAll } from "./access.ts";
import type { ExpectedRevision } from "./expected-revision.ts";

export interface CapacityPorts {
  readonly capacity: CapacityCatalog;
  readonly configured: ConfiguredCapacity;
  readonly audit: AuditTrail;
  /** What is condemned counts as used until its object is gone: the catalog is this process's own. */
  readonly alone: boolean;
  /** The living processes of the deployment, with what each tells of its disk. */
  replicas(): Promise<readonly Replica[]>;
  /** Applies changed limits in this process; others hear of them. It does not reject. */
  onCapacityChanged(): Promise<void>;
}

/** Limits and use of the whole deployment. */
export interface CapacityState {
  readonly record: CapacityRecord;
  readonly limits: CapacityInForce;
  readonly use: CapacityUse;
  /** Bytes that count against the limit: of contents and reserved. */
  readonly used: number;
  readonly replicas: readonly Replica[];
}

/** Limits and use; the admin's and the auditor's. */
export async function showCapacity(ports: CapacityPorts, principal: Principal): Promise<CapacityState> {
  if (!seesAll(principal)) throw new CisternError("forbidden", "this needs the role admin or auditor");
  return stateOf(ports, await ports.capacity.settings());
}

/**
 * Replaces the settings; the admin's alone. What is over a limit that was lowered goes in the
 * background, and nobody who reads is refused for it. `invalid-input`, `precondition-failed`.
 */
export async function setCapacity(
  ports: CapacityPorts,
  principal: Principal,
  settings: CapacitySettings,
  expected: ExpectedRevision,
): Promise<CapacityState> {
  requireAdmin(principal);
  requireSound(settings, ports.configured);
  const before = await ports.capacity.settings();
  const revision = expected === undefined || expected === "any" || expected.includes(before.revision);
  if (!revision) throw new CisternError("precondition-failed", "the settings have changed meanwhile");
  const record = await ports.capacity.replace(settings, before.revision, principal.tokenId);
  const change = { before: before.settings, after: record.settings };
  await ports.audit.record({ principal, action: "capacity.replace", object: "capacity", ...change });
  await ports.onCapacityChanged();
  return stateOf(ports, record);
}

async function stateOf(ports: CapacityPorts, record: CapacityRecord): Promise<CapacityState> {
  const [use, replicas] = await Promise.all([ports.capacity.use(), ports.replicas()]);
  const counted = use.classes.filter((row) => ports.alone || row.class !== "condemned");
  const used = [...counted, ...use.reserved].reduce((sum, { bytes }) => sum + bytes, 0);
  return { record, limits: inForce(record.settings, ports.configured), use, used, replicas };
}

/** What does not go together is named. */
function requireSound(settings: CapacitySettings, configured: ConfiguredCapacity): void {
  const problems = new FieldProblems();
  const { cacheBytes, highWatermark, lowWatermark, pinMaxBytes } = inForce(settings, configured);
  if (lowWatermark > highWatermark) problems.add("low_watermark", "must not be above high_watermark");
  if (pinMaxBytes > cacheBytes) problems.add("pin_max_bytes", "must not be more than cache_bytes");
  if (settings.hotBytes !== undefined && configured.hotBytes === undefined) {
    problems.add("hot_bytes", "must be left out: a server with a local store has no hot tier");
  }
  const known = new Set<string>();
  for (const [index, share] of (settings.shares ?? []).entries()) {
    const name = nameOf(share);
    if (name === undefined) problems.add(`shares.${index}`, "must name either a project or an origin");
    else if (known.has(name)) problems.add(`shares.${index}`, "must not name what another share names");
    else known.add(name);
  }
  problems.throwIfAny();
}

function nameOf({ project, origin }: Share): string | undefined {
  if ((project === undefined) === (origin === undefined)) return undefined;
  return project === undefined ? `origin ${origin}` : `project ${project}`;
}
