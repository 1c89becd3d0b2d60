import type { Worth } from "../../../src/domain/eviction.ts";
import { Heap } from "./heap.ts";
import type { Policy } from "./policies.ts";
import type { Trace } from "./traces.ts";

/** Shares between 0 and 1. */
export interface HitRatio {
  readonly bytes: number;
  readonly requests: number;
}

interface Entry {
  readonly id: number;
  readonly size: number;
  hits: number;
  worth: Worth | undefined;
  readAt: number;
}

interface Claim {
  readonly entry: Entry;
  readonly value: number;
  readonly readAt: number;
}

/** Runs a trace through a cache of this many bytes. What is larger than the cache is passed through. */
export function simulate(trace: Trace, limit: number, policy: Policy): HitRatio {
  const cached = new Map<number, Entry>();
  // Entries move by being pushed anew: a claim that is not its entry's last read is void.
  const order = new Heap<Claim>((a, b) => a.value < b.value || (a.value === b.value && a.readAt < b.readAt));
  const score = { asked: 0, bytes: 0, requests: 0 };
  let inflation = 0;
  let used = 0;
  const read = (entry: Entry, at: number) => {
    entry.hits += 1;
    entry.readAt = at;
    entry.worth = policy({ size: entry.size, hits: entry.hits, before: entry.worth }, inflation);
    order.push({ entry, value: entry.worth.value, readAt: at });
  };
  const evictOne = () => {
    const claim = order.pop();
    if (claim === undefined) throw new Error("the cache holds more than it knows of");
    const { entry } = claim;
    if (entry.readAt !== claim.readAt) return;
    cached.delete(entry.id);
    used -= entry.size;
    inflation = Math.max(inflation, claim.value);
  };
  for (const [at, id] of trace.requests.entries()) {
    const size = trace.sizes[id] ?? 0;
    score.asked += size;
    const there = cached.get(id);
    if (there !== undefined) {
      score.bytes += size;
      score.requests += 1;
      read(there, at);
      continue;
    }
    if (size > limit) continue;
    while (used + size > limit) evictOne();
    const entry: Entry = { id, size, hits: 0, worth: undefined, readAt: at };
    cached.set(id, entry);
    used += size;
    read(entry, at);
  }
  return { bytes: score.bytes / score.asked, requests: score.requests / trace.requests.length };
}
