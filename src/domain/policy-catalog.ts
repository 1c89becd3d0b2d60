/** One of the documents that a deployment has had. */
export interface PolicyVersion {
  /** Counts them, from 1. */
  readonly version: number;
  /** JSON, as it was taken. */
  readonly document: string;
  /** The token of whoever set it. */
  readonly madeBy: string;
  readonly madeAt: Date;
  /** What for; may be empty. */
  readonly note: string;
}

export type PolicyVersionHead = Omit<PolicyVersion, "document">;

export interface NewPolicy {
  readonly document: string;
  readonly madeBy: string;
  readonly note: string;
}

/** How many versions are kept: older ones go. */
export const KEPT_VERSIONS = 1000;

/** The policies that a deployment has had; the newest one is in force. Writes are durable when they resolve. */
export interface PolicyCatalog {
  /** undefined: none was ever set. */
  current(): Promise<PolicyVersion | undefined>;
  /** Adds one behind the version that the caller saw (0: none); `precondition-failed` when that is not the newest. */
  replace(expected: number, next: NewPolicy): Promise<PolicyVersion>;
  /**
   * Newest first.
   * @param before answers only those older than this one
   */
  versions(limit: number, before: number | undefined): Promise<readonly PolicyVersionHead[]>;
  find(version: number): Promise<PolicyVersion | undefined>;
}
