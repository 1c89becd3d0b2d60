/** What became of a request that brings a key that may have come before. */
export type Claim =
  /** It is the first: whoever claimed runs it, and says `keep` or `release`. */
  | { readonly kind: "first"; readonly claim: string }
  /** The first one is still under way. */
  | { readonly kind: "running" }
  /** The key was used for another request. */
  | { readonly kind: "other" }
  | { readonly kind: "answered"; readonly answer: string };

/**
 * The first answers to requests with an `Idempotency-Key`, for 24 hours by the catalog's clock, shared
 * by all replicas. Keys and answers come sealed: what is kept tells neither to who reads the catalog.
 */
export interface FirstAnswers {
  /**
   * Of several who claim the same key at once one is first. A claim that is neither kept nor released
   * within 10 minutes is given to the next who asks: its process is dead.
   *
   * @param key names caller and key
   * @param fingerprint names what is asked for
   */
  claim(key: string, fingerprint: string): Promise<Claim>;
  /** Does nothing when the claim was given to another meanwhile. */
  keep(key: string, claim: string, answer: string): Promise<void>;
  /** The next request of this key is the first again. */
  release(key: string, claim: string): Promise<void>;
}
