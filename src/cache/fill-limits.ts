/** How many fetches there may be at once. */
export interface FillLimits {
  /** In this process: each holds a file, a connection and some memory. */
  readonly total: number;
  /** In this process, of one project's records. */
  readonly perProject: number;
  /** As `perProject`, of projects of which something else is set. */
  readonly ofProject?: ReadonlyMap<string, number>;
  /** In this process, from one origin. */
  readonly perOrigin: number;
  readonly prefetch: {
    /** In this process. */
    readonly atOnce: number;
    /** In the whole deployment, of one project's records. */
    readonly perProject: number;
    /** In the whole deployment, from one origin. */
    readonly perOrigin: number;
  };
}

export const FILL_LIMITS: FillLimits = {
  total: 1_000,
  perProject: 250,
  perOrigin: 250,
  prefetch: { atOnce: 4, perProject: 8, perOrigin: 4 },
};

/** Of every limit, what demand alone may use. */
const DEMAND_SHARE = 0.25;

/** How far prefetches may fill a limit: at least one of them runs where nobody reads. */
export function shareOfPrefetch(limit: number): number {
  return limit <= 0 ? 0 : Math.max(1, Math.floor(limit * (1 - DEMAND_SHARE)));
}
