import type { Fence } from "./content.ts";

/** The right to fill one content, until it expires by the database's clock. */
export interface Lease {
  /** The key of the fill: the recorded sha256 with its trust domain, else the blob's id. */
  readonly key: string;
  readonly fence: Fence;
  readonly holder: string;
}

export interface HeldLease {
  readonly kind: "held";
  readonly by: Lease;
  /** Its holder has not renewed it in time, by the database's clock. */
  readonly expired: boolean;
}

export type LeaseAnswer = { readonly kind: "taken"; readonly lease: Lease } | HeldLease;

/** Leases are rows; expiry is written and compared with the database's own clock. */
export interface Leases {
  /** Takes a free lease under a new fence, or tells who holds it, expired or not. */
  take(key: string, holder: string, milliseconds: number): Promise<LeaseAnswer>;
  /**
   * Takes a lease from its holder under a new fence, if it is still this one, and expired or
   * `certain` (its holder was seen not to run the fill); takes it too when it is free by now. Else
   * tells who holds it. That a lease has expired is no reason by itself: its holder may only be cut
   * off from the database, so it is asked first.
   */
  takeOver(lease: Lease, holder: string, milliseconds: number, certain: boolean): Promise<LeaseAnswer>;
  /** Who has it now, expired or not; undefined: it is free. */
  find(key: string): Promise<HeldLease | undefined>;
  /** False when it was taken over: the holder must stop. */
  renew(lease: Lease, milliseconds: number): Promise<boolean>;
  /** Ends it, if it is still this one. */
  release(lease: Lease): Promise<void>;
  /** Ends all leases of a holder: at the start of the only process of an embedded catalog. */
  releaseAll(holder: string): Promise<void>;
}
