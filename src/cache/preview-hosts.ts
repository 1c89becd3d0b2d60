import type { AccessCandidates, CompiledPolicy } from "../domain/policy/compile.ts";
import type { AccessMatch } from "../domain/policy/document.ts";
import { redirectTarget } from "../domain/policy/redirect.ts";
import { subjectOf } from "../domain/policy/subject.ts";
import type { ScannedRecord } from "../domain/policy-scan.ts";

/** Clients of records of an origin who would be sent there, or refused, and are not now. */
export interface AffectedHost {
  /** Host and port of the origin. */
  readonly host: string;
  readonly mode: "redirect" | "deny";
  readonly rule: string;
  /** Whom the rule names; undefined: everybody. */
  readonly who: Pick<AccessMatch, "principal" | "clients"> | undefined;
  /** Records that it is about. */
  records: number;
  /** Of those, the ones whose content is cached: they are redirected only when it is gone. */
  cached: number;
}

/** Adds to `hosts` what the policy `after` does to requests for a record. */
export function noteHosts(
  hosts: Map<string, AffectedHost>,
  { artifact, blob, cached }: ScannedRecord,
  policies: { readonly before: CompiledPolicy; readonly after: CompiledPolicy },
  redirectHosts: readonly string[],
): void {
  const subject = subjectOf(artifact, blob);
  if (subject.origin === undefined) return;
  const [before, after] = [policies.before.candidates(subject), policies.after.candidates(subject)];
  if (before.length === 1 && after.length === 1 && before[0]?.decision.mode === after[0]?.decision.mode) return;
  const host = `${subject.origin.host}:${subject.origin.port}`;
  for (const [index, { decision, who }] of after.entries()) {
    const { mode, rule } = decision;
    if (mode !== "deny" && mode !== "redirect") continue;
    if (mode === "redirect" && !("url" in redirectTarget(blob, redirectHosts, false))) continue;
    if (!isNews(before, after, index)) continue;
    const key = JSON.stringify([host, mode, rule]);
    const known = hosts.get(key) ?? { host, mode, rule, who, records: 0, cached: 0 };
    known.records += 1;
    if (cached) known.cached += 1;
    hosts.set(key, known);
  }
}

/** True unless the same people had the same mode before, with no less in front of it that spared them. */
function isNews(before: AccessCandidates, after: AccessCandidates, index: number): boolean {
  const own = after[index];
  const spared = new Set(after.slice(0, index).map(signatureOf));
  return !before.some(
    (candidate, place) =>
      signatureOf(candidate) === (own === undefined ? "" : signatureOf(own)) &&
      before.slice(0, place).every((earlier) => earlier.decision.mode === "deny" || spared.has(signatureOf(earlier))),
  );
}

function signatureOf({ decision, who }: AccessCandidates[number]): string {
  return JSON.stringify([decision.mode, who ?? null]);
}
