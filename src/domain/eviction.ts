/**
 * What cached content is worth for its size: "Greedy-Dual-Size with Frequency" (Cherkasova 1998),
 * with a cost that serves the share of *bytes* that hits save. Whoever is worth least goes first;
 * what that was worth becomes the inflation, which is added to what is read from then on. So content
 * ages against everything that is read after it, and nobody has to touch it for that.
 *
 * A catalog keeps hits, fetch cost and value with each content and computes the same in SQL:
 *
 *   value = inflation + least(hits, HITS_THAT_COUNT) * fetch_cost
 *
 * The least (value, last_read_at, sha256) goes, and inflation = greatest(inflation, its value).
 */

/** What one fetch costs besides its bytes, in bytes: the way to the origin, the lease, the verdict, the commit. */
const FETCH_OVERHEAD_BYTES = 50e6;

/**
 * More hits than these add nothing. Without an end, last year's favourite outlives everything that
 * replaced it: measured, test/bench/eviction.
 */
export const HITS_THAT_COUNT = 4;

/** The least size, in bytes, that the overhead is shared out over: what is tiny has to age as well. */
const LEAST_SHARED = FETCH_OVERHEAD_BYTES / 10;

/** What fetching content of this size (bytes) again costs per byte: near 1 when it is large, at most 11. */
export function fetchCost(size: number): number {
  return 1 + FETCH_OVERHEAD_BYTES / Math.max(size, LEAST_SHARED);
}

/**
 * @param inflation the value of what was evicted last; 0 at first
 * @param hits reads since it was admitted; the read that caused the fetch is the first
 * @param cost of fetching it again, per byte
 */
export function contentValue(inflation: number, hits: number, cost: number): number {
  return inflation + Math.min(hits, HITS_THAT_COUNT) * cost;
}
