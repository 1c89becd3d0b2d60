import type { z } from "zod";
import { parseDuration } from "../domain/duration.ts";
import { CisternError, type FieldProblem } from "../domain/errors.ts";
import { DAYS } from "../domain/fetch-window.ts";
import { shortName } from "../domain/field-problems.ts";
import type { AccessRule, ArtifactMatch, ContentRule, OriginMatch, PolicyDocument } from "../domain/policy/document.ts";
import {
  parseRuleDigest,
  policyDocumentSchema,
  type WireAccessRule,
  type WireContentRule,
  type WirePolicy,
} from "./policy-schema.ts";

const MAX_POLICY_BYTES = 256 * 1024;
const MAX_PROBLEMS = 20;

/**
 * Parses a policy's document. `unknown-field` and `invalid-input` name every broken rule by its path
 * (`content[3].on_full`).
 */
export function parsePolicy(body: unknown): { readonly wire: WirePolicy; readonly document: PolicyDocument } {
  const bytes = new TextEncoder().encode(JSON.stringify(body) ?? "").length;
  if (bytes > MAX_POLICY_BYTES)
    throw refusal([{ field: "body", rule: `must be at most ${MAX_POLICY_BYTES} bytes` }], []);
  const parsed = policyDocumentSchema.safeParse(body);
  if (!parsed.success) throw refusalOf(parsed.error.issues);
  return { wire: parsed.data, document: documentOf(parsed.data) };
}

function refusalOf(issues: readonly z.core.$ZodIssue[]): CisternError {
  const unknown: FieldProblem[] = [];
  const broken: FieldProblem[] = [];
  for (const issue of issues.flatMap(innermost)) {
    if (issue.code !== "unrecognized_keys") {
      const path = pathOf(issue.path);
      broken.push({ field: path === "" ? "body" : path, rule: ruleOf(issue) });
      continue;
    }
    for (const key of issue.keys) {
      unknown.push({ field: pathOf([...issue.path, shortName(key)]), rule: "is not a field of a policy" });
    }
  }
  return refusal(broken, unknown);
}

/** What is wrong inside of a choice, when one of the choices was meant. */
function innermost(issue: z.core.$ZodIssue): readonly z.core.$ZodIssue[] {
  if (issue.code !== "invalid_union") return [issue];
  const meant = issue.errors.find(
    (errors) => errors.every(({ code }) => code !== "invalid_value") && errors.length > 0,
  );
  if (meant === undefined) return [issue];
  return meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
}

/** What the schema does not say in its own words. */
function ruleOf(issue: z.core.$ZodIssue): string {
  if (!/^(Invalid|Too) /.test(issue.message)) return issue.message;
  if (issue.code === "invalid_type") return `must be ${TYPES[issue.expected] ?? `of the type ${issue.expected}`}`;
  if (issue.code === "invalid_value")
    return `must be ${issue.values.length > 1 ? "one of " : ""}${issue.values.join(", ")}`;
  if (issue.code === "too_small") return `must be at least ${issue.minimum}`;
  if (issue.code === "too_big") return `must be at most ${issue.maximum}`;
  return issue.message;
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  array: "a list",
  object: "an object",
};

function refusal(broken: readonly FieldProblem[], unknown: readonly FieldProblem[]): CisternError {
  const fields = [...unknown, ...broken];
  const [first] = fields;
  const more = fields.length > 1 ? ` (and ${fields.length - 1} more)` : "";
  const code = unknown.length > 0 ? "unknown-field" : "invalid-input";
  return new CisternError(code, `${first?.field}: ${first?.rule}${more}`, { fields: fields.slice(0, MAX_PROBLEMS) });
}

/** `content[3].match.origin.hosts[0]` */
function pathOf(path: readonly PropertyKey[]): string {
  return path
    .map((part, index) => (typeof part === "number" ? `[${part}]` : `${index === 0 ? "" : "."}${String(part)}`))
    .join("");
}

function documentOf({ access, content }: WirePolicy): PolicyDocument {
  return { access: access.map(accessRuleOf), content: content.map(contentRuleOf) };
}

function accessRuleOf({ name, description = "", match = {}, mode }: WireAccessRule): AccessRule {
  const { principal, clients = [], artifact, origin, digests = [] } = match;
  return {
    name,
    description,
    mode,
    match: {
      principal:
        principal === undefined
          ? undefined
          : { tokens: principal.tokens ?? [], projects: principal.projects ?? [], roles: principal.roles ?? [] },
      clients,
      artifact: artifactOf(artifact),
      origin: originOf(origin),
      digests: digests.flatMap((text) => parseRuleDigest(text) ?? []),
    },
  };
}

function contentRuleOf(rule: WireContentRule): ContentRule {
  const { name, description = "", match = {} } = rule;
  const { artifact, origin, size } = match;
  return {
    name,
    description,
    match: {
      artifact: artifactOf(artifact),
      origin: originOf(origin),
      size: size === undefined ? undefined : { min: size.min, max: size.max },
    },
    set: settingsOf(rule),
  };
}

function settingsOf(rule: WireContentRule): ContentRule["set"] {
  const { prefetch } = rule;
  return {
    require: rule.require,
    verify: rule.verify,
    prefetch:
      typeof prefetch === "object"
        ? { from: prefetch.from, to: prefetch.to, days: prefetch.days ?? DAYS, timeZone: prefetch.time_zone }
        : prefetch,
    pinFor: milliseconds(rule.pin_for),
    minAge: milliseconds(rule.min_age),
    maxAge: milliseconds(rule.max_age),
    maxSize: rule.max_size,
    onFull: rule.on_full,
    revalidateEvery: milliseconds(rule.revalidate_every),
  };
}

function milliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDuration(text);
}

function artifactOf(match: NonNullable<WireAccessRule["match"]>["artifact"]): ArtifactMatch | undefined {
  if (match === undefined) return undefined;
  const { types = [], names = [], tags = [], projects = [], visibility } = match;
  return { types, names, tags, projects, visibility };
}

function originOf(match: NonNullable<WireAccessRule["match"]>["origin"]): OriginMatch | undefined {
  if (match === undefined) return undefined;
  const { schemes = [], hosts = [], ports = [], paths = [] } = match;
  return { schemes, hosts, ports, paths };
}
