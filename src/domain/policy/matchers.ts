import { type AddressBits, type Cidr, liesIn, parseCidr } from "../cidr.ts";
import type { Digests } from "../digest.ts";
import type { Principal } from "../principal.ts";
import type { ArtifactMatch, ContentMatch, DigestMatch, OriginMatch, PrincipalMatch } from "./document.ts";
import { compileGlob } from "./glob.ts";
import type { PolicySubject } from "./subject.ts";
import { normaliseHostGlob, normalisePath, type UrlParts } from "./url-parts.ts";

export type Matcher<T> = (value: T) => boolean;

/** Where `*` of a URL's globs stops. */
const URL_SEPARATORS = "/.";

/** Everything that is asked must hold; undefined: nothing is asked. */
export function every<T>(matchers: readonly (Matcher<T> | undefined)[]): Matcher<T> | undefined {
  const asked = matchers.filter((matcher) => matcher !== undefined);
  const [first, second] = asked;
  if (first === undefined || second === undefined) return first;
  if (asked.length === 2) return (value) => first(value) && second(value);
  return (value) => asked.every((matches) => matches(value));
}

/** A client that no network tells (undefined) lies in no CIDR. */
export function clientMatcher(cidrs: readonly string[]): Matcher<AddressBits | undefined> | undefined {
  if (cidrs.length === 0) return undefined;
  const networks = cidrs.map((text) => parseCidr(text)).filter((cidr): cidr is Cidr => typeof cidr !== "string");
  // A loop, for it runs at each request, and for each rule.
  return (address) => {
    if (address === undefined) return false;
    for (const cidr of networks) if (liesIn(address, cidr)) return true;
    return false;
  };
}

export function principalMatcher(match: PrincipalMatch | undefined): Matcher<Principal> | undefined {
  if (match === undefined) return undefined;
  const { tokens, projects, roles } = match;
  const project = anyGlob(projects, "");
  return every<Principal>([
    tokens.length === 0 ? undefined : ({ tokenId }) => tokens.includes(tokenId),
    project === undefined ? undefined : (principal) => project(principal.project),
    roles.length === 0 ? undefined : (principal) => principal.roles.some((role) => roles.includes(role)),
  ]);
}

/** What an access rule asks about the blob, whoever wants it. */
export function blobMatcher(
  artifact: ArtifactMatch | undefined,
  origin: OriginMatch | undefined,
  digests: readonly DigestMatch[],
): Matcher<PolicySubject> | undefined {
  return every([digestMatcher(digests), artifactMatcher(artifact), originMatcher(origin)]);
}

export function contentMatcher({ artifact, origin, size }: ContentMatch): Matcher<PolicySubject> | undefined {
  return every([sizeMatcher(size), artifactMatcher(artifact), originMatcher(origin)]);
}

function artifactMatcher(match: ArtifactMatch | undefined): Matcher<PolicySubject> | undefined {
  if (match === undefined) return undefined;
  const { types, visibility } = match;
  const name = anyGlob(match.names, "");
  const tag = anyGlob(match.tags, "");
  const owner = anyGlob(match.projects, "");
  return every<PolicySubject>([
    types.length === 0 ? undefined : ({ artifact }) => types.includes(artifact.type),
    visibility === undefined ? undefined : ({ artifact }) => artifact.visibility === visibility,
    owner === undefined ? undefined : ({ artifact }) => owner(artifact.owner),
    name === undefined ? undefined : ({ artifact }) => name(artifact.name),
    tag === undefined ? undefined : ({ artifact }) => artifact.tags.some(tag),
  ]);
}

function originMatcher(match: OriginMatch | undefined): Matcher<PolicySubject> | undefined {
  const matches = match === undefined ? undefined : urlMatcher(match);
  return matches === undefined ? undefined : ({ origin }) => origin !== undefined && matches(origin);
}

/** Host and path are matched apart: no pattern of one reaches into the other. */
function urlMatcher({ schemes, hosts, ports, paths }: OriginMatch): Matcher<UrlParts> {
  const host = anyGlob(hosts.map(normaliseHostGlob), URL_SEPARATORS);
  const path = anyGlob(paths.map(normalisePath), URL_SEPARATORS);
  const external: Matcher<UrlParts> = () => true;
  const asked = every<UrlParts>([
    schemes.length === 0 ? undefined : ({ scheme }) => schemes.some((one) => one === scheme),
    ports.length === 0 ? undefined : ({ port }) => ports.includes(port),
    host === undefined ? undefined : (url) => host(url.host),
    path === undefined ? undefined : (url) => path(url.path),
  ]);
  return asked ?? external;
}

function digestMatcher(wanted: readonly DigestMatch[]): Matcher<PolicySubject> | undefined {
  if (wanted.length === 0) return undefined;
  const has = (digests: Digests) => wanted.some(({ algorithm, hex }) => digests[algorithm] === hex);
  return ({ digests }) => has(digests);
}

function sizeMatcher(match: ContentMatch["size"]): Matcher<PolicySubject> | undefined {
  if (match === undefined) return undefined;
  const { min = 0, max = Number.POSITIVE_INFINITY } = match;
  return ({ size }) => size !== undefined && size >= min && size <= max;
}

function anyGlob(patterns: readonly string[], separators: string): Matcher<string> | undefined {
  if (patterns.length === 0) return undefined;
  const globs = patterns.map((pattern) => compileGlob(pattern, separators));
  return (text) => globs.some((glob) => glob.matches(text));
}
