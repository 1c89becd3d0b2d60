import { z } from "zod";
import type { TokenRequest } from "../artifact/tokens.ts";
import { invalid } from "../domain/errors.ts";
import { ROLES, type Role } from "../domain/principal.ts";
import { parseCidr } from "./cidr.ts";
import { parseBody } from "./read-input.ts";
import { duration, instant, parsed, text } from "./wire-fields.ts";

const MAX_CIDRS = 64;
const MAX_ROLES = 100;

/** The body of a token's creation; null means absent. */
export const tokenBody = z
  .strictObject({
    name: text({ min: 1, max: 255 }),
    project: text({ min: 1, max: 255 }),
    roles: parsed({ type: "array", items: { enum: ROLES }, minItems: 1, maxItems: MAX_ROLES }, (value, field) =>
      parseRoles(value, field),
    ),
    cidrs: parsed(
      { type: "array", items: { type: "string", maxLength: 49 }, maxItems: MAX_CIDRS },
      parseCidrs,
    ).nullish(),
    expires_at: instant().nullish(),
    expires_in: duration().nullish(),
  })
  .refine(
    ({ expires_at, expires_in }) => (expires_at ?? undefined) === undefined || (expires_in ?? undefined) === undefined,
    {
      path: ["expires_in"],
      error: "must be left out beside expires_at",
    },
  )
  .refine(({ expires_in }) => typeof expires_in !== "number" || expires_in > 0, {
    path: ["expires_in"],
    error: "must be longer than nothing",
  })
  .meta({ id: "TokenRequest" });

/** What is asked for; `now` is what `expires_in` counts from. */
export function tokenRequest(body: z.output<typeof tokenBody>, now: Date): TokenRequest {
  const { name, project, roles, cidrs, expires_at: at, expires_in: within } = body;
  const later = within === undefined || within === null ? undefined : new Date(now.getTime() + within);
  return { name, project, roles, cidrs: cidrs ?? [], expiresAt: at ?? later };
}

/** Like the API reads a creation's body; `invalid-input`, `unknown-field`. */
export function readTokenRequest(body: unknown, now: Date): TokenRequest {
  return tokenRequest(parseBody(tokenBody, body), now);
}

function parseRoles(value: unknown, field: string): readonly Role[] {
  if (!Array.isArray(value) || value.length === 0) throw invalid(field, `must be a list of ${ROLES.join(", ")}`);
  const roles = value.slice(0, MAX_ROLES).map((one: unknown, index) => {
    const role = ROLES.find((name) => name === one);
    if (role === undefined) throw invalid(`${field}.${index}`, `must be one of ${ROLES.join(", ")}`);
    return role;
  });
  return [...new Set(roles)];
}

function parseCidrs(value: unknown, field: string): readonly string[] {
  if (!Array.isArray(value)) throw invalid(field, "must be a list of CIDRs");
  if (value.length > MAX_CIDRS) throw invalid(field, `must have at most ${MAX_CIDRS} entries`);
  return [...new Set(value.map((cidr: unknown, index) => parseCidr(cidr, `${field}.${index}`)))];
}
