import { LRUCache } from "lru-cache";

/** Callers whose state is kept; who has not come for longest is forgotten, and begins anew. */
const MAX_KEYS = 50_000;

/** How far one caller is ahead of its rate. */
export interface Bucket {
  /** Milliseconds of the monotonic clock at which it would be even. */
  evenAt: number;
}

/**
 * A rate with a burst, in the form of GCRA (ITU-T I.371): one number per caller, no timers. In this
 * process alone.
 */
export class RateLimit {
  readonly #buckets = new LRUCache<string, Bucket>({ max: MAX_KEYS });
  readonly #monotonic: () => number;
  readonly #eachMs: number;
  readonly #aheadMs: number;
  readonly #debtMs: number;

  /**
   * @param perSecond Infinity: no limit
   * @param burst how many may come at once
   * @param debt how many beyond the burst are held against a caller that did not stop
   */
  constructor(perSecond: number, burst: number, monotonic: () => number, debt = 0) {
    this.#monotonic = monotonic;
    this.#eachMs = 1000 / perSecond;
    this.#aheadMs = (burst - 1) * this.#eachMs;
    this.#debtMs = this.#aheadMs + (debt + 1) * this.#eachMs;
  }

  get endless(): boolean {
    return this.#eachMs === 0;
  }

  /** The state of a caller; undefined: there is no limit. */
  bucket(key: string): Bucket | undefined {
    if (this.endless) return undefined;
    const known = this.#buckets.get(key);
    if (known !== undefined) return known;
    const fresh = { evenAt: 0 };
    this.#buckets.set(key, fresh);
    return fresh;
  }

  /** Seconds until it may come; 0: now. */
  wait({ evenAt }: Bucket): number {
    const over = evenAt - this.#monotonic() - this.#aheadMs;
    return over > 0 ? over / 1000 : 0;
  }

  spend(bucket: Bucket): void {
    const now = this.#monotonic();
    bucket.evenAt = Math.min(Math.max(bucket.evenAt, now) + this.#eachMs, now + this.#debtMs);
  }
}
