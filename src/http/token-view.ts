import { z } from "zod";
import { ROLES } from "../domain/principal.ts";
import type { TokenRecord } from "../domain/token.ts";
import type { Shown } from "./operation.ts";
import { shownTime } from "./wire-fields.ts";

const members = {
  id: z.string(),
  name: z.string(),
  project: z.string(),
  roles: z.array(z.enum(ROLES)),
  cidrs: z.array(z.string()),
  created_at: shownTime,
  expires_at: shownTime.nullable(),
  revoked_at: shownTime.nullable(),
};

/** A token as it is listed: without its secret, which nobody has. */
export const tokenShape = z.object(members).meta({ id: "Token" });

/** A token as its creation shows it, once. */
export const createdTokenShape = z.object({ ...members, token: z.string() }).meta({ id: "CreatedToken" });

export function tokenView(token: TokenRecord): Shown<z.input<typeof tokenShape>> {
  const { id, name, project, roles, cidrs, createdAt, expiresAt, revokedAt } = token;
  return {
    id,
    name,
    project,
    roles,
    cidrs,
    created_at: createdAt.toISOString(),
    expires_at: expiresAt?.toISOString() ?? null,
    revoked_at: revokedAt?.toISOString() ?? null,
  };
}
