import type { Digests, Sha256 } from "./digest.ts";

/** Grows with every lease; part of an object's name, so that a late writer touches only its own object. */
export type Fence = number & { readonly __brand: "Fence" };

/** Names one generation of a content in the store: `sha256/ab/cd/<hex>/<fence>`. */
export interface ObjectName {
  readonly sha256: Sha256;
  readonly fence: Fence;
}

/** Admitted content: verified, durable in the store under `object`. */
export interface ContentRecord {
  readonly object: ObjectName;
  /** Every digest that was computed; sha256 always. */
  readonly digests: Digests & { readonly sha256: Sha256 };
  /** Bytes. */
  readonly size: number;
  readonly admittedAt: Date;
  readonly lastReadAt: Date;
}
