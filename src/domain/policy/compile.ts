import { type AddressBits, parseAddress } from "../cidr.ts";
import type { Principal } from "../principal.ts";
import {
  type CompiledContentRule,
  type ContentRules,
  compileContentRule,
  resolveContentRules,
} from "./content-rules.ts";
import { type AccessMatch, type AccessMode, type AccessRule, BUILT_IN, type PolicyDocument } from "./document.ts";
import { blobMatcher, clientMatcher, every, type Matcher, principalMatcher } from "./matchers.ts";
import type { PolicySubject } from "./subject.ts";

/** What becomes of a request, and the name of the rule that says so. */
export interface AccessDecision {
  readonly mode: AccessMode;
  readonly rule: string;
}

/** Who wants it, from where. */
interface Asker {
  readonly principal: Principal;
  readonly address: AddressBits | undefined;
}

interface CompiledAccessRule {
  readonly decision: AccessDecision;
  /** undefined: each blob. */
  readonly blob: Matcher<PolicySubject> | undefined;
  /** undefined: everybody. */
  readonly asker: Matcher<Asker> | undefined;
  /** The same in words; undefined: everybody. */
  readonly who: Pick<AccessMatch, "principal" | "clients"> | undefined;
}

/** The rules that may decide about one blob, in order; the last one decides for everybody. */
export type AccessCandidates = readonly Pick<CompiledAccessRule, "decision" | "asker" | "who">[];

export interface MatchingRules {
  readonly access: readonly AccessDecision[];
  readonly content: readonly string[];
}

/** A policy in a form that answers fast. It never changes: another document is another policy. */
export interface CompiledPolicy {
  /** Counts the documents of a deployment; 0: none was ever set. */
  readonly version: number;
  readonly document: PolicyDocument;
  /** All that can be said before it is known who asks: worth keeping for a blob that is asked for often. */
  candidates(subject: PolicySubject): AccessCandidates;
  /** Access to a blob: the first rule that matches. */
  decideAccess(subject: PolicySubject, principal: Principal, address: string): AccessDecision;
  contentRules(subject: PolicySubject): ContentRules;
  /** All rules that match, the one that decides first; and the names of the content rules that do. */
  matching(subject: PolicySubject, principal: Principal, address: string): MatchingRules;
  /** The rule that denies it to everybody; undefined: somebody may have it. */
  deniedToAll(subject: PolicySubject): AccessDecision | undefined;
}

/**
 * Compiles a document whose every part was parsed.
 * @param fallback what the built-in last rule says
 */
export function compilePolicy(document: PolicyDocument, version: number, fallback: AccessMode): CompiledPolicy {
  const access = document.access.map(compileAccessRule);
  access.push({ decision: { mode: fallback, rule: BUILT_IN }, blob: undefined, asker: undefined, who: undefined });
  const content: readonly CompiledContentRule[] = document.content.map(compileContentRule);
  const candidates = (subject: PolicySubject) => candidatesAmong(access, subject);
  return {
    version,
    document,
    candidates,
    decideAccess: (subject, principal, address) => decide(candidates(subject), principal, address),
    deniedToAll: (subject) => deniedToAll(candidates(subject)),
    matching: (subject, principal, address) => ({
      access: access
        .filter(
          ({ blob, asker }) =>
            (blob?.(subject) ?? true) && (asker?.({ principal, address: addressBits(address) }) ?? true),
        )
        .map(({ decision }) => decision),
      content: content.filter(({ matches }) => matches?.(subject) ?? true).map(({ rule }) => rule.name),
    }),
    contentRules: (subject) => resolveContentRules(content, subject),
  };
}

/** The first of the candidates that matches who asks. */
export function decide(candidates: AccessCandidates, principal: Principal, address: string): AccessDecision {
  let asker: Asker | undefined;
  for (const { decision, asker: matches } of candidates) {
    if (matches === undefined) return decision;
    asker ??= { principal, address: addressBits(address) };
    if (matches(asker)) return decision;
  }
  throw new TypeError("a policy without a last rule");
}

function deniedToAll(candidates: AccessCandidates): AccessDecision | undefined {
  for (const { decision, asker } of candidates) {
    if (decision.mode !== "deny") return undefined;
    if (asker === undefined) return decision;
  }
  return undefined;
}

function candidatesAmong(rules: readonly CompiledAccessRule[], subject: PolicySubject): AccessCandidates {
  const found: CompiledAccessRule[] = [];
  for (const rule of rules) {
    if (rule.blob !== undefined && !rule.blob(subject)) continue;
    found.push(rule);
    if (rule.asker === undefined) break;
  }
  return found;
}

function compileAccessRule({ name, match, mode }: AccessRule): CompiledAccessRule {
  const principal = principalMatcher(match.principal);
  const client = clientMatcher(match.clients);
  return {
    decision: { mode, rule: name },
    blob: blobMatcher(match.artifact, match.origin, match.digests),
    who:
      principal === undefined && client === undefined
        ? undefined
        : { principal: match.principal, clients: match.clients },
    asker: every<Asker>([
      principal === undefined ? undefined : (asker) => principal(asker.principal),
      client === undefined ? undefined : (asker) => client(asker.address),
    ]),
  };
}

/** The same clients come again and again. */
const known = new Map<string, AddressBits | undefined>();
const MAX_KNOWN = 10_000;

function addressBits(address: string): AddressBits | undefined {
  const before = known.get(address);
  if (before !== undefined) return before;
  const bits = parseAddress(address);
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(address, bits);
  return bits;
}
