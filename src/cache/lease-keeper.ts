import type { Clock } from "../domain/clock.ts";
import { CisternError } from "../domain/errors.ts";
import type { Lease, Leases } from "../domain/lease.ts";

/** A replica that is killed is missed after so long. */
export const LEASE_TERM_MS = 10_000;
const RENEW_MS = LEASE_TERM_MS / 3;

export interface LeasePorts {
  readonly leases: Leases;
  readonly clock: Clock;
}

/** A lease that is renewed until it is disposed, or lost. */
export interface KeptLease extends AsyncDisposable {
  readonly lease: Lease;
  /** Aborted when another replica has taken the lease over. */
  readonly lost: AbortSignal;
}

/**
 * Keeps renewing a lease. That the catalog does not answer is no loss (I7): nobody can take the
 * lease without it, and whoever finds it expired afterwards asks its holder first.
 */
export function keepLease({ leases, clock }: LeasePorts, lease: Lease): KeptLease {
  const lost = new AbortController();
  const stop = new AbortController();
  const renewing = renew(leases, clock, lease, lost, stop.signal);
  return {
    lease,
    lost: lost.signal,
    async [Symbol.asyncDispose]() {
      stop.abort();
      // A lease that cannot be ended now runs out by itself.
      const released = lost.signal.aborted ? undefined : leases.release(lease).catch(ignoreOutage);
      await Promise.all([renewing, released]);
    },
  };
}

async function renew(
  leases: Leases,
  clock: Clock,
  lease: Lease,
  lost: AbortController,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    try {
      await clock.sleep(RENEW_MS, stop);
    } catch {
      return; // the only reason to wake early is the end
    }
    try {
      if (await leases.renew(lease, LEASE_TERM_MS)) continue;
    } catch (error) {
      ignoreOutage(error);
      continue;
    }
    // Admission ends the lease as well, and is the last thing that a fill wants of it.
    if (!stop.aborted) lost.abort(new CisternError("fill-cancelled", "another replica has taken the fill over"));
    return;
  }
}

function ignoreOutage(error: unknown): void {
  if (!(error instanceof CisternError)) throw error;
}
