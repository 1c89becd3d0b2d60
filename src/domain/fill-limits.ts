/** How many fetches there may be at once. */
export interface FillLimits {
  /** In one process: each holds a file, a connection and some memory. */
  readonly total: number;
  /** In one process, of one project's records. */
  readonly perProject: number;
  /** In one process, from one origin. */
  readonly perOrigin: number;
  /** Prefetches in one process. */
  readonly prefetchAtOnce: number;
  /** Prefetches in the whole deployment, of one project's records. */
  readonly prefetchPerProject: number;
  /** Prefetches in the whole deployment, from one origin. */
  readonly prefetchPerOrigin: number;
}

/** What is usual. */
export const FILL_LIMITS: FillLimits = {
  total: 1_000,
  perProject: 250,
  perOrigin: 250,
  prefetchAtOnce: 4,
  prefetchPerProject: 8,
  // Fewer than run in one process: an origin that never answers leaves a place to the others.
  prefetchPerOrigin: 3,
};

/** Of every limit, what demand alone may use. */
const DEMAND_SHARE = 0.25;

/** How far prefetches may fill a limit: at least one of them runs where nobody reads. */
export function shareOfPrefetch(limit: number): number {
  return limit <= 0 ? 0 : Math.max(1, Math.floor(limit * (1 - DEMAND_SHARE)));
}
