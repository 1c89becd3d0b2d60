import type { Sha256 } from "./digest.ts";

/** Bytes that are refused to all, whoever has them. */
export interface Block {
  readonly sha256: Sha256;
  readonly reason: string;
  /** Who has said so. */
  readonly blockedBy: string;
  readonly blockedAt: Date;
}

/** What is blocked. A block outlives the content and its records; admission and uploads obey it in their transactions. */
export interface Blocks {
  /** Blocks; of one that is blocked already the reason is another now. */
  put(sha256: Sha256, reason: string, by: string): Promise<Block>;
  /** Lifts a block; answers what it was, undefined: there was none. */
  lift(sha256: Sha256): Promise<Block | undefined>;
  find(sha256: Sha256): Promise<Block | undefined>;
  /** All of them. */
  list(): Promise<readonly Block[]>;
}
