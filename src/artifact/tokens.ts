import { createHash, randomBytes, randomUUID } from "node:crypto";
import type { AuditTrail } from "../domain/audit.ts";
import type { Clock } from "../domain/clock.ts";
import { CisternError, invalid } from "../domain/errors.ts";
import type { Principal, Role } from "../domain/principal.ts";
import { ADMIN_TOKEN_ID, type TokenId, type TokenRecord } from "../domain/token.ts";
import type { TokenCatalog } from "../domain/token-catalog.ts";
import { requireAdmin, seesAll } from "./access.ts";

export interface TokenPorts {
  readonly tokens: TokenCatalog;
  readonly clock: Clock;
  readonly audit: AuditTrail;
  /** Told when a token is revoked, so that no cached verdict lets it in. */
  onTokenRevoked(id: TokenId): void;
}

/** A token that is asked for: parsed, within its limits. */
export interface TokenRequest {
  readonly name: string;
  readonly project: string;
  readonly roles: readonly Role[];
  readonly cidrs: readonly string[];
  readonly expiresAt: Date | undefined;
}

export interface CreatedToken {
  readonly token: TokenRecord;
  /** Shown once; only its hash is kept. */
  readonly secret: string;
}

export interface TokenPage {
  readonly tokens: readonly TokenRecord[];
  readonly more: boolean;
}

const SECRET_BYTES = 32;

/** The hash under which a secret is known: SHA-256, hexadecimal. The secret has 256 random bits, so no salt is needed. */
export function hashSecret(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** Creates a token; the admin's alone. */
export async function createToken(
  ports: TokenPorts,
  principal: Principal,
  request: TokenRequest,
): Promise<CreatedToken> {
  requireAdmin(principal);
  const now = ports.clock.now();
  if (request.expiresAt !== undefined && request.expiresAt.getTime() <= now.getTime()) {
    throw invalid("expires_at", "must lie in the future");
  }
  const secret = `cst_${randomBytes(SECRET_BYTES).toString("base64url")}`;
  const token: TokenRecord = { ...request, id: randomUUID() as TokenId, createdAt: now, revokedAt: undefined };
  await ports.tokens.put(token, hashSecret(secret));
  await ports.audit.record({ principal, action: "token.create", object: `tokens/${token.id}`, after: audited(token) });
  return { token, secret };
}

/** One page in the order of creation, after the token with this id; the admin's and the auditor's. */
export async function listTokens(
  ports: TokenPorts,
  principal: Principal,
  limit: number,
  after: TokenId | undefined,
): Promise<TokenPage> {
  if (!seesAll(principal)) throw new CisternError("forbidden", "this needs the role admin or auditor");
  const tokens = await ports.tokens.list(limit + 1, after);
  return { tokens: tokens.slice(0, limit), more: tokens.length > limit };
}

/** Revokes at once, here; `token-not-found`. Revoking twice is no error. */
export async function revokeToken(ports: TokenPorts, principal: Principal, id: TokenId): Promise<TokenRecord> {
  requireAdmin(principal);
  if (id === ADMIN_TOKEN_ID) {
    throw new CisternError("conflict", "the admin token cannot be revoked: set another one and start again");
  }
  const token = await ports.tokens.revoke(id);
  ports.onTokenRevoked(id);
  await ports.audit.record({ principal, action: "token.revoke", object: `tokens/${id}`, after: audited(token) });
  return token;
}

/** All that is known of it: its secret is nowhere, and its hash is nobody's business. */
function audited({ name, project, roles, cidrs, expiresAt, revokedAt }: TokenRecord): Record<string, unknown> {
  return { name, project, roles, cidrs, expires_at: expiresAt ?? null, revoked_at: revokedAt ?? null };
}
