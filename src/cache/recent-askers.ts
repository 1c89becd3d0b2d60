import { LRUCache } from "lru-cache";
import { MAX_ASKERS } from "../domain/askers-wire.ts";
import type { ResolvedBlob } from "../domain/blob.ts";
import type { Principal } from "../domain/principal.ts";
import { clientName, type RecentAsker } from "../domain/recent-asker.ts";

const REMEMBERED_MS = 24 * 3_600_000;

/** Who has asked this process for blobs: what a dry run tries another policy on. */
export class RecentAskers {
  // By name: the clients of a balancer that share its connections show another object each time.
  readonly #askers: LRUCache<string, Omit<RecentAsker, "age">>;

  constructor(monotonic: () => number) {
    const perf = { now: monotonic };
    this.#askers = new LRUCache({ max: MAX_ASKERS, ttl: REMEMBERED_MS, updateAgeOnGet: true, perf });
  }

  note(principal: Principal, { blob: { id: blob } }: Pick<ResolvedBlob, "blob">): void {
    const name = clientName(principal);
    // The same client asks for the same blob again and again.
    if (this.#askers.get(name)?.blob !== blob) this.#askers.set(name, { principal, blob });
  }

  /** One of each token and address, with what it asked for last; the newest first. */
  list(): readonly RecentAsker[] {
    const age = (name: string) => Math.round(REMEMBERED_MS - this.#askers.getRemainingTTL(name));
    return [...this.#askers.entries()].map(([name, asker]) => ({ ...asker, age: age(name) }));
  }
}
