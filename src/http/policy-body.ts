import { parseDuration } from "../domain/duration.ts";
import { DAYS } from "../domain/fetch-window.ts";
import type { AccessRule, ArtifactMatch, ContentRule, OriginMatch, PolicyDocument } from "../domain/policy/document.ts";
import {
  parseRuleDigest,
  policyDocumentSchema,
  type WireAccessRule,
  type WireContentRule,
  type WirePolicy,
} from "./policy-schema.ts";
import { parseBody } from "./read-input.ts";

/** Parses a policy's document; `unknown-field` and `invalid-input` name every broken rule by its path. */
export function parsePolicy(body: unknown): { readonly wire: WirePolicy; readonly document: PolicyDocument } {
  const wire = parseBody(policyDocumentSchema, body);
  return { wire, document: documentOf(wire) };
}

/** Parses a document as the catalog keeps it. */
export function parsePolicyText(text: string): PolicyDocument {
  return parsePolicy(JSON.parse(text)).document;
}

/** A document that the API has taken, as rules are evaluated from it. */
export function documentOf({ access, content }: WirePolicy): PolicyDocument {
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
