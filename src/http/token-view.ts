import type { TokenRecord } from "../domain/token.ts";

/** A token as it is listed: without its secret, which nobody has. */
export function tokenView(token: TokenRecord): Record<string, unknown> {
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
