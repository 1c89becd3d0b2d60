import type { Sha256 } from "../domain/digest.ts";
import type { CompiledPolicy } from "../domain/policy/compile.ts";
import { longestKeep, safeUntil } from "../domain/policy/content-rules.ts";
import { subjectOf } from "../domain/policy/subject.ts";
import type { KeptContent, PolicyScan, ScannedContent } from "../domain/policy-scan.ts";

export interface ApplyKeepPorts {
  readonly scan: PolicyScan;
  readonly policy: { readonly current: CompiledPolicy };
}

const PAGE = 500;
/** Times that differ by less are the same: they were counted from one admission by different clocks. */
const SAME_MS = 2_000;

/**
 * Has every cached content kept as the policy in force says: among its records the longest keep
 * wins. Answers how many are kept otherwise now.
 */
export async function applyKeep({ scan, policy }: ApplyKeepPorts, signal: AbortSignal): Promise<number> {
  let changed = 0;
  for (let last: Sha256 | undefined; ; ) {
    signal.throwIfAborted();
    const page = await scan.contents(last, PAGE);
    const changes = page.flatMap((content) => changeOf(content, policy.current) ?? []);
    if (changes.length > 0) changed += await scan.keep(changes);
    last = page.at(-1)?.sha256;
    if (page.length < PAGE) return changed;
  }
}

/** undefined: it is kept as it should be. */
function changeOf(content: ScannedContent, policy: CompiledPolicy): KeptContent | undefined {
  const { sha256, admittedAt, records } = content;
  // Nobody's rules speak of it: what its own fill said stays.
  if (records.length === 0) return undefined;
  const keep = longestKeep(records.map(({ artifact, blob }) => policy.contentRules(subjectOf(artifact, blob))));
  const after = (milliseconds: number | undefined) =>
    milliseconds === undefined ? undefined : new Date(admittedAt.getTime() + milliseconds);
  const wanted = { keepUntil: after(safeUntil(keep)?.value), dropAfter: after(keep.maxAge?.value) };
  const same = isSame(wanted.keepUntil, content.keepUntil) && isSame(wanted.dropAfter, content.dropAfter);
  return same ? undefined : { sha256, ...wanted };
}

function isSame(a: Date | undefined, b: Date | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return Math.abs(a.getTime() - b.getTime()) < SAME_MS;
}
