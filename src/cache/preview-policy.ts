import type { BlobId } from "../domain/blob.ts";
import type { Clock } from "../domain/clock.ts";
import type { Sha256 } from "../domain/digest.ts";
import type { CompiledPolicy } from "../domain/policy/compile.ts";
import type { PolicyScan } from "../domain/policy-scan.ts";
import { type FleetPorts, fleetAskers } from "./fleet-askers.ts";
import { type AffectedClient, affectedClients } from "./preview-clients.ts";
import { type AffectedContent, effectOn } from "./preview-contents.ts";
import { type AffectedHost, noteHosts } from "./preview-hosts.ts";

export interface PreviewPorts {
  readonly scan: PolicyScan;
  /** Know who has asked lately. */
  readonly fleet: FleetPorts;
  readonly clock: Clock;
  /** Host patterns to which clients may be sent. */
  readonly redirectHosts: readonly string[];
}

/** What another policy would change. All is counted; of each list only its head is told. */
export interface PolicyPreview {
  readonly contents: {
    readonly count: number;
    /** Bytes of all of them. */
    readonly bytes: number;
    readonly listed: readonly AffectedContent[];
  };
  /** Origins. */
  readonly hosts: { readonly count: number; readonly listed: readonly AffectedHost[] };
  /** Of those who have asked within a day. */
  readonly clients: {
    readonly count: number;
    readonly listed: readonly AffectedClient[];
    /** Holders of replicas that were not heard: who asked those alone is missing. */
    readonly unheard: readonly string[];
  };
}

const PAGE = 500;

/** Compares two policies over the whole catalog, and writes nothing. */
export async function previewPolicy(
  ports: PreviewPorts,
  policies: { readonly before: CompiledPolicy; readonly after: CompiledPolicy },
  limit: number,
  signal: AbortSignal,
): Promise<PolicyPreview> {
  const clients = await previewClients(ports, policies, limit, signal);
  const hosts = await previewHosts(ports, policies, signal);
  const listed = hosts.toSorted((a, b) => b.records - a.records || (a.host < b.host ? -1 : 1)).slice(0, limit);
  return {
    clients,
    contents: await previewContents(ports, policies, limit, signal),
    hosts: { count: new Set(hosts.map(({ host }) => host)).size, listed },
  };
}

async function previewClients(
  ports: PreviewPorts,
  policies: { readonly before: CompiledPolicy; readonly after: CompiledPolicy },
  limit: number,
  signal: AbortSignal,
): Promise<PolicyPreview["clients"]> {
  const { askers, unheard } = await fleetAskers(ports.fleet, signal);
  const affected = await affectedClients(ports, askers, policies, signal);
  return { count: affected.length, listed: affected.slice(0, limit), unheard };
}

async function previewHosts(
  { scan, redirectHosts }: PreviewPorts,
  policies: { readonly before: CompiledPolicy; readonly after: CompiledPolicy },
  signal: AbortSignal,
): Promise<readonly AffectedHost[]> {
  const hosts = new Map<string, AffectedHost>();
  for (let after: BlobId | undefined; ; ) {
    signal.throwIfAborted();
    const page = await scan.records(after, PAGE);
    for (const record of page) noteHosts(hosts, record, policies, redirectHosts);
    after = page.at(-1)?.blob.id;
    if (page.length < PAGE) return [...hosts.values()];
  }
}

async function previewContents(
  { scan, clock }: PreviewPorts,
  { before, after }: { readonly before: CompiledPolicy; readonly after: CompiledPolicy },
  limit: number,
  signal: AbortSignal,
): Promise<PolicyPreview["contents"]> {
  const listed: AffectedContent[] = [];
  const now = clock.now();
  let [count, bytes] = [0, 0];
  for (let last: Sha256 | undefined; ; ) {
    signal.throwIfAborted();
    const page = await scan.contents(last, PAGE);
    for (const content of page) {
      const affected = effectOn(content, before, after, now);
      if (affected === undefined) continue;
      count += 1;
      bytes += affected.size;
      if (listed.length < limit) listed.push(affected);
    }
    last = page.at(-1)?.sha256;
    if (page.length < PAGE) return { count, bytes, listed };
  }
}
