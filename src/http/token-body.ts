import type { TokenRequest } from "../artifact/tokens.ts";
import { parseObject } from "../domain/artifact-draft.ts";
import { parseDuration } from "../domain/duration.ts";
import { CisternError, invalid } from "../domain/errors.ts";
import { FieldProblems, shortName } from "../domain/field-problems.ts";
import { ROLES, type Role } from "../domain/principal.ts";
import { parseText } from "../domain/text.ts";
import { parseCidr } from "./cidr.ts";

const MEMBERS: ReadonlySet<string> = new Set(["name", "project", "roles", "cidrs", "expires_at", "expires_in"]);
const MAX_CIDRS = 64;
// RFC 3339 §5.6
const DATE_TIME = /^\d{4}-\d{2}-\d{2}[Tt]\d{2}:\d{2}:\d{2}(\.\d{1,9})?([Zz]|[+-]\d{2}:\d{2})$/;

/** Parses the body of a token's creation; `now` is what `expires_in` counts from. */
export function parseTokenRequest(body: unknown, now: Date): TokenRequest {
  const members = parseObject(body, "body");
  refuseUnknown(members);
  const problems = new FieldProblems();
  const given = (name: string) => members.get(name) ?? undefined;
  const name = problems.take(() => parseText(given("name"), "name", { min: 1, max: 255 }));
  const project = problems.take(() => parseText(given("project"), "project", { min: 1, max: 255 }));
  const roles = problems.take(() => parseRoles(given("roles")));
  const cidrs = problems.take(() => parseCidrs(given("cidrs") ?? []));
  const expiresAt = problems.take(() => parseExpiry(given("expires_at"), given("expires_in"), now));
  problems.throwIfAny();
  return { name: name ?? "", project: project ?? "", roles: roles ?? [], cidrs: cidrs ?? [], expiresAt };
}

function refuseUnknown(members: ReadonlyMap<string, unknown>): void {
  const fields = [...members.keys()]
    .filter((name) => !MEMBERS.has(name))
    .slice(0, 20)
    .map((name) => ({ field: shortName(name), rule: "is not a field of a token" }));
  const [first] = fields;
  if (first !== undefined) throw new CisternError("unknown-field", `${first.field}: ${first.rule}`, { fields });
}

function parseRoles(value: unknown): readonly Role[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid("roles", `must be a list of ${ROLES.join(", ")}`);
  const roles = value.slice(0, 100).map((one: unknown, index) => {
    const role = ROLES.find((name) => name === one);
    if (role === undefined) throw invalid(`roles.${index}`, `must be one of ${ROLES.join(", ")}`);
    return role;
  });
  return [...new Set(roles)];
}

function parseCidrs(value: unknown): readonly string[] {
  if (!Array.isArray(value)) throw invalid("cidrs", "must be a list of CIDRs");
  if (value.length > MAX_CIDRS) throw invalid("cidrs", `must have at most ${MAX_CIDRS} entries`);
  return [...new Set(value.map((cidr: unknown, index) => parseCidr(cidr, `cidrs.${index}`)))];
}

function parseExpiry(at: unknown, within: unknown, now: Date): Date | undefined {
  if (at !== undefined && within !== undefined) throw invalid("expires_in", "must be left out beside expires_at");
  if (at !== undefined) {
    const time = typeof at === "string" && DATE_TIME.test(at) ? Date.parse(at) : Number.NaN;
    if (Number.isNaN(time)) throw invalid("expires_at", "must be a time such as 2030-01-31T12:00:00Z");
    return new Date(time);
  }
  if (within === undefined) return undefined;
  const milliseconds = typeof within === "string" && within.length <= 64 ? parseDuration(within) : undefined;
  if (milliseconds === undefined || milliseconds <= 0) {
    throw invalid("expires_in", "must be an ISO 8601 duration such as P30D or PT12H");
  }
  return new Date(now.getTime() + milliseconds);
}
