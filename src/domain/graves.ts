import type { BlobRef } from "./blob.ts";

/** Whoever it was that was given wrong bytes: nobody knows any more. */
export const EVERYBODY = "*";

/** That a caller was given bytes of a blob that failed, or has begun anew since. */
export interface Grave {
  readonly ref: BlobRef;
  /** Token and address, or EVERYBODY. */
  readonly caller: string;
  /** True: this caller has begun anew, whatever was buried before. */
  readonly anew: boolean;
}

/** Graves as all processes of a deployment share them; they outlive a restart, and are kept for a day. */
export interface Graves {
  /** Durable when it resolves; the other processes hear of it. One for EVERYBODY ends all of the blob that are `anew`. */
  write(graves: readonly Grave[]): Promise<void>;
  /** Those of the last day, at most 100,000, the newest. */
  list(): Promise<readonly Grave[]>;
  /** Forgets those that are older than a day. */
  expire(): Promise<void>;
}
