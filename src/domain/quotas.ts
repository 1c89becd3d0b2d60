/** What one project may. undefined: as the deployment has it; Infinity: without limit. */
export interface ProjectQuota {
  /** Bytes that it may have fetched in one day (UTC). */
  readonly fetchedBytesPerDay: number | undefined;
  /** Fills of its records at once. */
  readonly concurrentFills: number | undefined;
}

export interface ListedQuota extends ProjectQuota {
  readonly project: string;
}

/** All that is set, by the names of the projects. */
export interface ChangedQuotas {
  readonly before: readonly ListedQuota[];
  readonly after: readonly ListedQuota[];
}

/** What came of charging a project. */
export interface Charged {
  /** False: it would have exceeded the limit, and nothing was charged. */
  readonly admitted: boolean;
  /** Bytes of today, those included. */
  readonly used: number;
  readonly limit: number;
}

/** The limits of projects, and what they have fetched today: the same for all replicas, at once. */
export interface QuotaCatalog {
  /** By the names of the projects. */
  list(): Promise<readonly ListedQuota[]>;
  find(project: string): Promise<ProjectQuota>;
  /**
   * Replaces what is set of the projects that `decide` answers; one without any limit of its own is forgotten. All or
   * none, and one change after the other in the whole deployment: `decide` is given what is set, which nobody else
   * changes meanwhile. What it throws ends it. It may be called more than once.
   */
  change(decide: (known: readonly ListedQuota[]) => readonly ListedQuota[]): Promise<ChangedQuotas>;
  /**
   * Counts bytes before they are fetched, unless the project's limit, or else this one, would be
   * exceeded. With 0 bytes: unless nothing is left.
   */
  charge(project: string, bytes: number, fallback: number): Promise<Charged>;
  /** What `charge` would answer now, by trying it and taking it back: nothing is charged. */
  foresee(project: string, bytes: number, fallback: number): Promise<Charged>;
  /** Adds to what projects have fetched today; negative: takes back. Never below nothing. */
  count(bytes: ReadonlyMap<string, number>): Promise<void>;
  /** Bytes of today, of all projects that have any. */
  used(): Promise<ReadonlyMap<string, number>>;
  /** Forgets days before this many days ago. */
  expire(days: number): Promise<void>;
}
