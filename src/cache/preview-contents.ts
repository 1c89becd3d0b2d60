import type { Sha256 } from "../domain/digest.ts";
import type { CompiledPolicy } from "../domain/policy/compile.ts";
import { type Keep, longestKeep, safeUntil } from "../domain/policy/content-rules.ts";
import { subjectOf } from "../domain/policy/subject.ts";
import type { ScannedContent } from "../domain/policy-scan.ts";

/** What another policy does to a content that is here. */
export type ContentEffect =
  /** Its time is over at once. */
  | "expires"
  /** It is kept for a shorter time than now. */
  | "expires-sooner"
  /** Eviction may take it from now on. */
  | "loses-protection"
  /** Nobody may read it any more. */
  | "denied";

export interface AffectedContent {
  readonly sha256: Sha256;
  /** Bytes. */
  readonly size: number;
  readonly effects: readonly { readonly effect: ContentEffect; readonly rule: string }[];
}

/** What becomes of a content under the policy `after`; undefined: nothing else than under `before`. */
export function effectOn(
  content: ScannedContent,
  before: CompiledPolicy,
  after: CompiledPolicy,
  now: Date,
): AffectedContent | undefined {
  const subjects = content.records.map(({ artifact, blob }) => subjectOf(artifact, blob));
  if (subjects.length === 0) return undefined;
  const effects: { effect: ContentEffect; rule: string }[] = [];
  const deniers = subjects.map((subject) => after.deniedToAll(subject)?.rule);
  const [denier] = deniers;
  const wasOpen = subjects.some((subject) => before.deniedToAll(subject) === undefined);
  if (denier !== undefined && wasOpen && !deniers.includes(undefined)) effects.push({ effect: "denied", rule: denier });
  if (!content.held) {
    const keepOf = (policy: CompiledPolicy) => longestKeep(subjects.map((subject) => policy.contentRules(subject)));
    effects.push(...shorter(keepOf(before), keepOf(after), now.getTime() - content.admittedAt.getTime()));
  }
  return effects.length === 0 ? undefined : { sha256: content.sha256, size: content.size, effects };
}

/** @param age milliseconds since the admission */
function shorter(before: Keep, after: Keep, age: number): AffectedContent["effects"] {
  const effects: { effect: ContentEffect; rule: string }[] = [];
  const [endBefore, endAfter] = [endOf(before), endOf(after)];
  if (endAfter < endBefore) {
    const effect = endAfter > age ? "expires-sooner" : "expires";
    // What was over before is not news.
    if (endBefore > age) effects.push({ effect, rule: after.maxAge?.rule ?? "" });
  }
  const [safeBefore, safeAfter] = [safeUntil(before), safeUntil(after)];
  if ((safeBefore?.value ?? 0) > age && (safeAfter?.value ?? 0) <= age) {
    effects.push({ effect: "loses-protection", rule: safeBefore?.rule ?? "" });
  }
  return effects;
}

/** The age at which it goes: a time for which it is pinned, or not to be evicted, outlasts `max_age`. */
function endOf(keep: Keep): number {
  return Math.max(keep.maxAge?.value ?? Number.POSITIVE_INFINITY, safeUntil(keep)?.value ?? 0);
}
