/**
 * What cached content is worth, whoever is worth least goes first. "Greedy-Dual-Size with Frequency"
 * (Cherkasova 1998) with a fetch that costs its bytes, for it is the share of *bytes* served from the
 * cache that counts: then the size cancels out, and frequency and ageing are left (also known as LFU
 * with dynamic ageing).
 *
 * Ageing: what the last evicted content was worth becomes the *inflation*, which is added to whatever
 * is read from then on. Nobody has to touch what is not read.
 *
 * Two limits, both measured (test/bench/eviction). A content counts as read once per *turn*, that is
 * once until the inflation moves: five hundred machines that boot from one image are one event. And
 * turns count up to a limit: without it, last year's favourite outlives everything that replaced it.
 *
 * A catalog keeps `turns` and `value` with each content and does the same in SQL at a read:
 *
 *   turns = least(turns + (inflation + turns > value)::int, TURNS_THAT_COUNT)
 *   value = inflation + turns (the new one)
 *
 * Evicted is the least (value, last_read_at, sha256); then inflation = greatest(inflation, its value).
 */
export interface Worth {
  /** Turns in which it was read: from 1, which is the one of its fetch, to `TURNS_THAT_COUNT`. */
  readonly turns: number;
  readonly value: number;
}

export const TURNS_THAT_COUNT = 3;

/** What content is worth that has just been fetched. */
export function worthOfNew(inflation: number): Worth {
  return { turns: 1, value: inflation + 1 };
}

/** What content is worth after another read. */
export function worthAfterRead({ turns, value }: Worth, inflation: number): Worth {
  const turned = inflation + turns > value ? 1 : 0;
  const counted = Math.min(turns + turned, TURNS_THAT_COUNT);
  return { turns: counted, value: inflation + counted };
}
