import type { Fence } from "../domain/content.ts";
import { CisternError } from "../domain/errors.ts";
import type { RelayedFill, RelayHost } from "../domain/peer.ts";
import type { Fill } from "./fill.ts";
import type { FillRegistry } from "./fill-registry.ts";
import { Follower } from "./follow.ts";
import type { ReadBudget } from "./read-budget.ts";

/** A fill is registered before its lease is asked for; another replica may see the row before this one does. */
const LEASE_MS = 2_000;
/** A peer asks again when the source has not answered by then. */
const OPEN_MS = 8_000;

/** Serves this process's own fills to the other replicas: those that it fetches from the outside itself. */
export class FillRelay implements RelayHost {
  readonly #fills: Pick<FillRegistry, "named">;
  readonly #budget: ReadBudget;

  constructor(fills: Pick<FillRegistry, "named">, budget: ReadBudget) {
    this.#fills = fills;
    this.#budget = budget;
  }

  async find(key: string, fence: Fence, offset: number, signal: AbortSignal): Promise<RelayedFill | undefined> {
    const fill = this.#fills.named(key);
    if (fill === undefined || fill.plan.content !== undefined) return undefined;
    // Nobody else is to begin it before its readers are told of.
    if (fill.failing) throw new CisternError("too-busy", "the fill is about to fail");
    if (!(await holds(fill, fence, signal))) return undefined;
    if (!fill.reaches(offset)) throw new CisternError("too-busy", "there is no disk space to keep what a peer wants");
    // Joined before the wait: a fill in a window of memory keeps what its readers need.
    const follower = new Follower(fill, offset, undefined, this.#budget, undefined);
    try {
      await fill.until(() => (fill.opened ? true : undefined), OPEN_MS, signal);
      if (fill.lease?.fence === fence) return relayed(fill, follower);
      // It has found what it wanted in the store.
      follower[Symbol.dispose]();
      return undefined;
    } catch (error) {
      follower[Symbol.dispose]();
      throw error;
    }
  }
}

/** Rejects while it is not known: whoever is told no takes the lease away. */
async function holds(fill: Fill, fence: Fence, signal: AbortSignal): Promise<boolean> {
  try {
    await fill.until(
      () => (fill.lease !== undefined || fill.verdict !== undefined ? true : undefined),
      LEASE_MS,
      signal,
    );
  } catch (error) {
    if (fill.failure === undefined) throw error;
  }
  return fill.lease?.fence === fence;
}

function relayed(fill: Fill, follower: Follower): RelayedFill {
  const { origin } = fill;
  if (origin === undefined) throw new CisternError("internal", "a fill that is open has a source");
  return {
    url: origin.url,
    validator: origin.validator,
    total: fill.total,
    next: (max) => follower.next(max),
    keep: () => fill.keep(),
    verdict() {
      if (fill.verdict === undefined) throw new CisternError("internal", "the fill has not passed");
      return { sha256: fill.verdict.digests.sha256, size: fill.verdict.size };
    },
    [Symbol.dispose]: () => follower[Symbol.dispose](),
  };
}
