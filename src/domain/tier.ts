import type { TierUse } from "./replica.ts";

/** Bytes on this process's disk, with a limit that may change while it runs. */
export interface LimitedTier {
  readonly use: TierUse;
  /** From now on it holds no more than so many bytes: what is over goes, what is being read or written after that. */
  resize(limit: number): Promise<void>;
}

/** Bytes that can be had again from elsewhere. */
export interface SpareTier {
  /** Deletes so many bytes of what is not being read, or as many as there are; answers how many. */
  spare(bytes: number): Promise<number>;
}

/** Something that needs the disk, and asks before it gives up. */
export interface NeedyTier {
  /** @param free makes so many bytes of the disk free, if it can; false: there was nothing to be had */
  relieveBy(free: (bytes: number) => Promise<boolean>): void;
}
