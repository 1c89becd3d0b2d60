import { Heap } from "./heap.ts";
import type { Trace } from "./traces.ts";

interface Kept {
  readonly id: number;
  readonly nextUse: number;
}

/**
 * An upper bound of the byte-hit ratio that no policy can pass, offline or not: Belady's MIN with
 * bypass on single bytes. It knows the future and may keep contents in part. Caching whole contents
 * optimally is NP-hard; with parts allowed, each byte is a page of the same size and each request
 * asks for its pages, where dropping what is used furthest in the future is optimal (Belady 1966).
 * A policy that keeps whole contents is one of those that this one is the best of.
 */
export function offlineBound(trace: Trace, limit: number): number {
  const nextUse = nextUses(trace.requests);
  const kept = new Map<number, { bytes: number; nextUse: number }>();
  const furthest = new Heap<Kept>((a, b) => a.nextUse > b.nextUse);
  let used = 0;
  let hit = 0;
  let asked = 0;

  /** Drops bytes that are used later than this until so many are free; less when there are none. */
  const makeRoom = (bytes: number, before: number) => {
    while (used + bytes > limit) {
      const last = furthest.peek();
      if (last === undefined) return;
      const held = kept.get(last.id);
      if (held === undefined || held.nextUse !== last.nextUse) {
        furthest.pop();
        continue;
      }
      if (last.nextUse <= before) return;
      const dropped = Math.min(held.bytes, used + bytes - limit);
      held.bytes -= dropped;
      used -= dropped;
      if (held.bytes === 0) kept.delete(last.id);
    }
  };

  for (const [at, id] of trace.requests.entries()) {
    const size = trace.sizes[id] ?? 0;
    const before = kept.get(id)?.bytes ?? 0;
    asked += size;
    hit += before;
    used -= before;
    kept.delete(id);
    const next = nextUse[at] ?? Number.POSITIVE_INFINITY;
    if (next === Number.POSITIVE_INFINITY) continue;
    makeRoom(size, next);
    const bytes = Math.min(size, limit - used);
    if (bytes <= 0) continue;
    kept.set(id, { bytes, nextUse: next });
    used += bytes;
    furthest.push({ id, nextUse: next });
  }
  return hit / asked;
}

/** For each request, when the same content is asked for next. */
function nextUses(requests: readonly number[]): readonly number[] {
  const seen = new Map<number, number>();
  const next = new Array<number>(requests.length);
  for (let at = requests.length - 1; at >= 0; at -= 1) {
    const id = requests[at] ?? 0;
    next[at] = seen.get(id) ?? Number.POSITIVE_INFINITY;
    seen.set(id, at);
  }
  return next;
}
