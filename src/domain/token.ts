import type { Role } from "./principal.ts";

export type TokenId = string & { readonly __brand: "TokenId" };

/** A token as it is kept and listed: its secret exists only as a hash. */
export interface TokenRecord {
  readonly id: TokenId;
  readonly name: string;
  readonly project: string;
  readonly roles: readonly Role[];
  /** Clients that may use it; empty: any. */
  readonly cidrs: readonly string[];
  readonly createdAt: Date;
  readonly expiresAt: Date | undefined;
  readonly revokedAt: Date | undefined;
}

/** The token that the configuration, or the data directory, holds: it is replaced there, never revoked. */
export const ADMIN_TOKEN_ID = "00000000-0000-4000-8000-000000000000" as TokenId;
