import { z } from "zod";
import { formatDuration, parseDuration } from "../domain/duration.ts";
import { parseBytes } from "./bytes.ts";
import { isPrivateCidr, parseCidr, parseHostPattern } from "./network.ts";
import type { VariableName } from "./variables.ts";

/** Only a variable that has no default can be missed. */
const TEXT = z.string("must be set in cluster mode, which DATABASE_URL and each of CISTERN_S3_* switch on");

/** A text that `parse` takes, else the rule. */
export function parsed<T>(parse: (text: string) => T | undefined, rule: string) {
  return TEXT.transform((text, context): T => {
    const value = parse(text);
    if (value !== undefined) return value;
    context.addIssue({ code: "custom", message: rule });
    return z.NEVER;
  });
}

/** A text whose parser tells itself which rule is broken. */
export function judged<T>(parse: (text: string) => { readonly value: T } | { readonly rule: string }) {
  return TEXT.transform((text, context): T => {
    const answer = parse(text);
    if ("value" in answer) return answer.value;
    context.addIssue({ code: "custom", message: answer.rule });
    return z.NEVER;
  });
}

/** A text of some length that the expression takes, else the rule. */
export function matching(expression: RegExp, rule: string) {
  return parsed((text) => (expression.test(text) ? text : undefined), rule);
}

export function bytes(least: number) {
  return parsed((text) => {
    const value = parseBytes(text);
    return value !== undefined && value >= least ? value : undefined;
  }, `must be bytes (1048576) or a size with a unit (10GiB, 500MB), at least ${least}`).optional();
}

/** Milliseconds, from `least` to a week: timers count to 24 days. What no timer counts may be longer. */
export function duration(fallback: string, least: number, longest = "P7D") {
  const most = parseDuration(longest) ?? 0;
  return parsed(
    (text) => {
      const value = parseDuration(text);
      return value !== undefined && value >= least && value <= most ? value : undefined;
    },
    `must be an ISO 8601 duration (PT30S, PT5M) from ${formatDuration(least)} to ${longest}`,
  ).prefault(fallback);
}

/** Milliseconds of what no timer counts: `least` and `most` as they are written. */
export function span(fallback: string, least: string, most: string) {
  const [from, to] = [parseDuration(least) ?? 0, parseDuration(most) ?? 0];
  return parsed((text) => {
    const value = parseDuration(text);
    return value !== undefined && value >= from && value <= to ? value : undefined;
  }, `must be an ISO 8601 duration (P90D) from ${least} to ${most}`).prefault(fallback);
}

export function wholeNumber(least: number, most: number, fallback: number) {
  return numberFrom(least, most).prefault(String(fallback));
}

/** undefined when it is not set. */
export function optionalNumber(least: number, most: number) {
  return numberFrom(least, most).optional();
}

function numberFrom(least: number, most: number) {
  return parsed((text) => {
    const value = /^[1-9]\d{0,8}$/.test(text) ? Number(text) : Number.NaN;
    return value >= least && value <= most ? value : undefined;
  }, `must be a whole number from ${least} to ${most}`);
}

export function oneOf<const T extends readonly string[]>(values: T, fallback: T[number]) {
  return z.enum(values, `must be one of ${values.join(", ")}`).default(fallback);
}

type Item = { readonly item: string } | { readonly rule: string };

/** A comma-separated list; every broken item is told. */
export function list(parse: (item: string) => Item) {
  return z
    .string()
    .transform((text, context): readonly string[] => {
      const items: string[] = [];
      for (const part of text.split(",").map((piece) => piece.trim())) {
        if (part === "") continue;
        const answer = parse(part);
        if ("item" in answer) items.push(answer.item);
        else context.addIssue({ code: "custom", message: answer.rule });
      }
      return context.issues.length === 0 ? [...new Set(items)] : z.NEVER;
    })
    .prefault("");
}

export function cidr(item: string): Item {
  const answer = parseCidr(item);
  return "rule" in answer ? answer : { item: answer.cidr };
}

export function privateCidr(item: string): Item {
  const answer = cidr(item);
  if ("rule" in answer || isPrivateCidr(answer.item)) return answer;
  return { rule: `"${item}" is not inside a private or loopback range (public addresses need no entry)` };
}

export function hostPattern(item: string): Item {
  const pattern = parseHostPattern(item);
  return pattern === undefined
    ? { rule: `"${item}" is not a host, *.suffix or host:port (no scheme, no path)` }
    : { item: pattern };
}

/**
 * A rule over several variables, for `refine`; told under the first one, beside all other mistakes,
 * but not while one of the values is broken by itself.
 */
export function across<T>(
  names: readonly [VariableName, ...VariableName[]],
  holds: (settings: T) => boolean,
  message: string,
): readonly [holds: (settings: T) => boolean, refinement: Refinement] {
  const isBroken = ({ path }: Issue) => names.some((name) => name === path?.[0]);
  return [holds, { path: [names[0]], message, when: ({ issues }) => !issues.some(isBroken) }];
}

interface Issue {
  readonly path?: readonly PropertyKey[] | undefined;
}

interface Refinement {
  readonly path: PropertyKey[];
  readonly message: string;
  readonly when: (parsing: { readonly issues: readonly Issue[] }) => boolean;
}
