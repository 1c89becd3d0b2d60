import { BUILT_IN, type ContentRule, type ContentSettings } from "./document.ts";
import { contentMatcher, type Matcher } from "./matchers.ts";
import type { PolicySubject } from "./subject.ts";

/** A setting, and the name of the rule that it came from. */
export interface Ruled<T> {
  readonly value: T;
  readonly rule: string;
}

/** What holds for a content. Fields that may be undefined then have no limit, or are not done. */
export interface ContentRules {
  readonly require: Ruled<ContentSettings["require"]>;
  readonly verify: Ruled<ContentSettings["verify"]>;
  readonly prefetch: Ruled<ContentSettings["prefetch"]> | undefined;
  /** Milliseconds, as all times here. */
  readonly pinFor: Ruled<number> | undefined;
  readonly minAge: Ruled<number> | undefined;
  readonly maxAge: Ruled<number> | undefined;
  /** Bytes. */
  readonly maxSize: Ruled<number> | undefined;
  readonly onFull: Ruled<ContentSettings["onFull"]>;
  readonly revalidateEvery: Ruled<number> | undefined;
}

export interface CompiledContentRule {
  readonly rule: ContentRule;
  /** undefined: all. */
  readonly matches: Matcher<PolicySubject> | undefined;
}

export function compileContentRule(rule: ContentRule): CompiledContentRule {
  return { rule, matches: contentMatcher(rule.match) };
}

/** Each field from the first matching rule that sets it. */
export function resolveContentRules(rules: readonly CompiledContentRule[], subject: PolicySubject): ContentRules {
  const matching = rules.filter(({ matches }) => matches?.(subject) ?? true).map(({ rule }) => rule);
  const first = <K extends keyof ContentSettings>(field: K): Ruled<ContentSettings[K]> | undefined => {
    for (const { name, set } of matching) {
      const value: ContentSettings[K] | undefined = set[field];
      if (value !== undefined) return { value, rule: name };
    }
    return undefined;
  };
  return {
    require: first("require") ?? { value: requiredOf(subject), rule: BUILT_IN },
    verify: first("verify") ?? { value: "on-first-read", rule: BUILT_IN },
    prefetch: first("prefetch"),
    pinFor: first("pinFor"),
    minAge: first("minAge"),
    maxAge: first("maxAge"),
    maxSize: first("maxSize"),
    onFull: first("onFull") ?? { value: "pass", rule: BUILT_IN },
    revalidateEvery: first("revalidateEvery"),
  };
}

/** What comes over an open line on a member's word must be known by a digest. */
function requiredOf({ origin, setByMember }: PolicySubject): "checksum" | "none" {
  return setByMember && origin?.scheme === "http" ? "checksum" : "none";
}

/** How long a content is kept. */
export type Keep = Pick<ContentRules, "pinFor" | "minAge" | "maxAge">;

/** Among the records of one content the longest keep wins. Without records nothing asks for any. */
export function longestKeep(records: readonly Keep[]): Keep {
  return {
    pinFor: longest(records.map(({ pinFor }) => pinFor)),
    minAge: longest(records.map(({ minAge }) => minAge)),
    // A record without a limit keeps it for ever.
    maxAge: records.some(({ maxAge }) => maxAge === undefined)
      ? undefined
      : longest(records.map(({ maxAge }) => maxAge)),
  };
}

/** From the admission on, eviction does not take it so long: the longer of `pin_for` and `min_age`. */
export function safeUntil({ pinFor, minAge }: Pick<Keep, "pinFor" | "minAge">): Ruled<number> | undefined {
  return longest([pinFor, minAge]);
}

function longest(times: readonly (Ruled<number> | undefined)[]): Ruled<number> | undefined {
  let most: Ruled<number> | undefined;
  for (const time of times) if (time !== undefined && (most === undefined || time.value > most.value)) most = time;
  return most;
}
