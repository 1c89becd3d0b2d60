import type { BlobRecord, ResolvedBlob } from "../domain/blob.ts";
import { CisternError } from "../domain/errors.ts";
import type { Leases } from "../domain/lease.ts";
import type { ExternalLocation } from "../domain/location.ts";
import { redirectTarget } from "../domain/policy/redirect.ts";
import type { PolicyScan } from "../domain/policy-scan.ts";
import type { Principal } from "../domain/principal.ts";
import type { Source } from "../domain/source.ts";
import { authoriseRead } from "./authorise.ts";
import type { BlockedContents } from "./blocked-contents.ts";
import type { EgressQuota } from "./egress-quota.ts";
import type { FillPlan } from "./fill-plan.ts";
import type { FillRegistry } from "./fill-registry.ts";
import { permittedSources } from "./permitted-sources.ts";
import type { PolicyInForce } from "./policy-in-force.ts";
import type { SourceHealth } from "./source-health.ts";

export interface ForeseePorts {
  readonly policy: PolicyInForce;
  readonly blocked: Pick<BlockedContents, "check">;
  readonly fills: Pick<FillRegistry, "peek" | "foresee">;
  readonly leases: Pick<Leases, "find">;
  readonly quota: Pick<EgressQuota, "foresee">;
  readonly health: Pick<SourceHealth, "blocked">;
  readonly scan: PolicyScan;
  readonly source: Pick<Source, "admissible">;
  /** Host patterns to which clients may be sent. */
  readonly redirectHosts: readonly string[];
}

/** Who asks for the bytes, as a request would. */
export interface Asking {
  readonly principal: Principal;
  readonly address: string;
  readonly sendsTokenOn: boolean;
}

/** A fetch that would begin. */
export interface ForeseenFill {
  /** What it would wait for, half a minute each, before it is refused: its turn among others, room in the cache. */
  readonly waitsFor: readonly ("turn" | "room")[];
  /** False: the mode says not to, or there is no room. */
  readonly kept: boolean;
  /** Another replica fetches it: this one would read along with it. */
  readonly elsewhere: boolean;
}

/** What would become of a request. */
export type Foreseen =
  | { readonly would: "hit" | "follow"; readonly condition: string | undefined }
  | ({ readonly would: "fill"; readonly condition: string | undefined } & ForeseenFill)
  | { readonly would: "redirect"; readonly url: string }
  | { readonly would: "denied"; readonly error: CisternError };

/**
 * What a GET of the whole blob would come to now, by the same questions in the same order as the
 * read path asks them; it begins nothing, joins nothing and connects to nothing. What an origin will
 * answer nobody can foresee.
 */
export async function foresee(ports: ForeseePorts, resolved: ResolvedBlob, asking: Asking): Promise<Foreseen> {
  try {
    return await go(ports, resolved, asking);
  } catch (error) {
    if (error instanceof CisternError && error.code !== "catalog-unavailable") return { would: "denied", error };
    throw error;
  }
}

async function go(ports: ForeseePorts, resolved: ResolvedBlob, asking: Asking): Promise<Foreseen> {
  const { blob, content } = resolved;
  authoriseRead(asking.principal, resolved.artifact);
  if (blob.location === undefined) {
    throw new CisternError("blob-not-found", "the blob is empty: it has no location");
  }
  const { mode, rule } = ports.policy.decide(resolved, asking.principal, asking.address);
  if (mode === "deny") throw deniedBy(rule);
  ports.blocked.check(content?.object.sha256 ?? blob.digests.sha256);
  if (content !== undefined) return { would: "hit", condition: undefined };
  if (blob.location.kind === "internal") throw new CisternError("store-unavailable", "the blob's bytes are missing");
  const target = mode === "redirect" ? redirectTarget(blob, ports.redirectHosts, asking.sendsTokenOn) : undefined;
  if (target !== undefined && "url" in target) return { would: "redirect", url: target.url };
  const condition = target?.condition;
  const running = ports.fills.peek(resolved);
  // After the verdict the bytes are here and proven: admission alone is still under way.
  if (running !== undefined) return { would: running.verdict === undefined ? "follow" : "hit", condition };
  if (resolved.admittedElsewhere && (await ports.scan.mayJoin(blob.id))) return { would: "hit", condition };
  return { would: "fill", condition, ...(await foreseeFill(ports, resolved, mode !== "proxy")) };
}

/** In the order in which a fill meets what may keep it from its first byte. */
async function foreseeFill(ports: ForeseePorts, resolved: ResolvedBlob, keep: boolean): Promise<ForeseenFill> {
  const { plan, waits, space } = ports.fills.foresee(resolved, keep);
  const turn = waits ? (["turn"] as const) : [];
  const lease = await ports.leases.find(plan.key);
  // It takes its bytes from there, and neither room nor quota for them.
  if (lease?.expired === false) return { waitsFor: turn, kept: keep, elsewhere: true };
  const room = await space();
  requireNoBackOff(ports.health, plan);
  await ports.quota.foresee(resolved.artifact.owner, plan.size);
  requireAdmissible(ports.source, plan.sources);
  return {
    waitsFor: room === "waits" ? [...turn, "room"] : turn,
    kept: room !== "passed",
    elsewhere: false,
  };
}

/** The refusal that a request denied by this rule gets. */
export function deniedBy(rule: string): CisternError {
  return new CisternError("policy-denied", `the policy's rule "${rule}" denies this blob to you`);
}

function requireNoBackOff(health: Pick<SourceHealth, "blocked">, { domain, sources }: FillPlan): void {
  const blocked = sources.map((location) => health.blocked(domain, location));
  const [first] = blocked;
  if (first !== undefined && !blocked.includes(undefined)) throw first;
}

/** At least one may be dialled. */
function requireAdmissible(source: Pick<Source, "admissible">, sources: readonly ExternalLocation[]): void {
  const objections = sources.map((location) => objectionTo(source, location));
  const [objection] = objections;
  if (objection !== undefined && !objections.includes(undefined)) throw objection;
}

function objectionTo(source: Pick<Source, "admissible">, location: ExternalLocation): CisternError | undefined {
  try {
    source.admissible(location);
    return undefined;
  } catch (error) {
    if (error instanceof CisternError) return error;
    throw error;
  }
}

/** Why a fill would not read from a mirror; undefined: it may. */
export function objectionToMirror(
  ports: Pick<ForeseePorts, "policy" | "source">,
  resolved: ResolvedBlob,
  mirror: BlobRecord,
): CisternError | undefined {
  const { location } = mirror;
  if (location?.kind !== "external") return new CisternError("blob-not-found", "it has no external location");
  const alone = { ...resolved, blob: { ...resolved.blob, location }, mirrors: [] };
  try {
    permittedSources(alone, ports.policy);
    return objectionTo(ports.source, location);
  } catch (error) {
    if (error instanceof CisternError) return error;
    throw error;
  }
}
