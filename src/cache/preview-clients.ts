import type { BlobId } from "../domain/blob.ts";
import type { CompiledPolicy } from "../domain/policy/compile.ts";
import type { AccessMode } from "../domain/policy/document.ts";
import { redirectTarget } from "../domain/policy/redirect.ts";
import { subjectOf } from "../domain/policy/subject.ts";
import type { AskedRecord, PolicyScan } from "../domain/policy-scan.ts";
import type { Principal } from "../domain/principal.ts";
import type { RecentAsker } from "../domain/recent-asker.ts";

/** A client that has asked for this record, and would be redirected or denied the next time, and is not now. */
export interface AffectedClient {
  readonly principal: Principal;
  readonly record: AskedRecord;
  readonly before: AccessMode;
  readonly mode: "redirect" | "deny";
  readonly rule: string;
}

export interface PreviewClientsPorts {
  readonly scan: Pick<PolicyScan, "recordsOf">;
  /** Host patterns to which clients may be sent. */
  readonly redirectHosts: readonly string[];
}

const PAGE = 500;

/** What becomes of those who asked lately, when they ask for the same again, as it is recorded now. */
export async function affectedClients(
  { scan, redirectHosts }: PreviewClientsPorts,
  askers: readonly RecentAsker[],
  policies: { readonly before: CompiledPolicy; readonly after: CompiledPolicy },
  signal: AbortSignal,
): Promise<readonly AffectedClient[]> {
  const records = await recordsOf(scan, new Set(askers.map(({ blob }) => blob)), signal);
  return askers.flatMap(({ principal, blob: id }) => {
    const record = records.get(id);
    if (record === undefined) return [];
    const { artifact, blob } = record;
    const subject = subjectOf(artifact, blob);
    const before = policies.before.decideAccess(subject, principal, principal.address).mode;
    const { mode, rule } = policies.after.decideAccess(subject, principal, principal.address);
    if (mode === before || (mode !== "deny" && mode !== "redirect")) return [];
    if (mode === "redirect" && !("url" in redirectTarget(blob, redirectHosts, false))) return [];
    return [{ principal, record, before, mode, rule }];
  });
}

async function recordsOf(scan: PreviewClientsPorts["scan"], asked: ReadonlySet<BlobId>, signal: AbortSignal) {
  const ids = [...asked];
  const records = new Map<BlobId, AskedRecord>();
  for (let begin = 0; begin < ids.length; begin += PAGE) {
    signal.throwIfAborted();
    for (const record of await scan.recordsOf(ids.slice(begin, begin + PAGE))) records.set(record.blob.id, record);
  }
  return records;
}
