import type { Clock } from "../domain/clock.ts";
import { CisternError } from "../domain/errors.ts";
import type { Lease, Leases } from "../domain/lease.ts";

const TERM_MS = 30_000;

/** A lease that is renewed until it is disposed, or lost. */
export interface KeptLease extends AsyncDisposable {
  readonly lease: Lease;
  /** Aborted when the lease was taken over, or could not be renewed before it ran out. */
  readonly lost: AbortSignal;
}

/**
 * Takes the lease of a fill and keeps renewing it. `too-busy` when another replica holds it.
 */
export async function keepLease(leases: Leases, clock: Clock, key: string, holder: string): Promise<KeptLease> {
  const taken = clock.monotonic();
  const first = await leases.take(key, holder, TERM_MS);
  // One of our own that ran out was left by a run that could not release it.
  const own = first.kind === "held" && first.expired && first.by.holder === holder;
  const answer = own ? await leases.takeOver(first.by, holder, TERM_MS, false) : first;
  if (answer.kind === "held") {
    throw new CisternError("too-busy", "another replica fetches this content", { retryAfter: 5 });
  }
  const lost = new AbortController();
  const stop = new AbortController();
  const renewing = renew(leases, clock, answer.lease, taken, lost, stop.signal);
  return {
    lease: answer.lease,
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      stop.abort();
      await renewing;
      // A lease that cannot be ended now runs out by itself.
      if (!lost.signal.aborted) await leases.release(answer.lease).catch(ignoreOutage);
    },
  };
}

async function renew(
  leases: Leases,
  clock: Clock,
  lease: Lease,
  taken: number,
  lost: AbortController,
  stop: AbortSignal,
): Promise<void> {
  // Counted from before the renewal was sent: never longer than the database counts.
  let valid = taken + TERM_MS;
  while (!stop.aborted) {
    try {
      await clock.sleep(TERM_MS / 3, stop);
    } catch {
      return; // the only reason to wake early is the end
    }
    const sent = clock.monotonic();
    try {
      if (!(await leases.renew(lease, TERM_MS))) {
        lost.abort(new CisternError("fill-cancelled", "another replica has taken the fill over"));
        return;
      }
      valid = sent + TERM_MS;
    } catch (error) {
      // Doubt is no loss (I7): the fill goes on while nobody else can have it by right.
      if (clock.monotonic() >= valid) {
        lost.abort(error);
        return;
      }
    }
  }
}

function ignoreOutage(error: unknown): void {
  if (!(error instanceof CisternError)) throw error;
}
