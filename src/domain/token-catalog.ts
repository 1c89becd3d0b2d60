import type { TokenId, TokenRecord } from "./token.ts";

/** Tokens; secrets are known only by their SHA-256. */
export interface TokenCatalog {
  /** Adds or, for an id that exists, replaces (the configured admin token is authoritative). */
  put(token: TokenRecord, secretHash: string): Promise<void>;
  /** Revoked and expired tokens too: the caller judges. */
  findByHash(secretHash: string): Promise<TokenRecord | undefined>;
  list(): Promise<readonly TokenRecord[]>;
  /** `token-not-found` when there is none; revoking twice is no error. */
  revoke(id: TokenId): Promise<TokenRecord>;
}
