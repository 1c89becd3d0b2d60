import type { TokenId, TokenRecord } from "./token.ts";

/** Tokens; secrets are known only by their SHA-256. */
export interface TokenCatalog {
  /** Adds or, for an id that exists, replaces (the configured admin token is authoritative). */
  put(token: TokenRecord, secretHash: string): Promise<void>;
  /** Revoked and expired tokens too: the caller judges. */
  findByHash(secretHash: string): Promise<TokenRecord | undefined>;
  /**
   * So many in the order of their creation, after the token with this id; an id that is not there:
   * `invalid-input` on `query.after`.
   */
  list(limit: number, after: TokenId | undefined): Promise<readonly TokenRecord[]>;
  /** `token-not-found` when there is none; revoking twice is no error. */
  revoke(id: TokenId): Promise<TokenRecord>;
}
