import { hasAnyDigest } from "../domain/digest.ts";
import { CisternError, type ErrorCode, isCisternError } from "../domain/errors.ts";
import type { LeaseAnswer, Leases } from "../domain/lease.ts";
import { maskUrl } from "../domain/location.ts";
import type { Fill } from "./fill.ts";
import { Ingest, type IngestPorts } from "./ingest.ts";
import { keepLease, LEASE_TERM_MS, type LeasePorts } from "./lease-keeper.ts";
import { type PullPorts, pullAll } from "./pull.ts";
import { patienceFrom, type RelayPorts, relayOrClaim } from "./relay-fill.ts";
import { Keeping, type SettlePorts } from "./settle.ts";
import { admittedMeanwhile, fillFromStore, type StoreFillPorts } from "./store-fill.ts";
import { verify } from "./verify-fill.ts";

export interface FillPorts extends PullPorts, IngestPorts, LeasePorts, RelayPorts, StoreFillPorts, SettlePorts {
  /** Told before the readers of a failed fill are cut; it does not reject. */
  beforeCut(fill: Fill, failure: CisternError): Promise<void>;
}

/** After these the bytes so far may be gone on with; after all others they are wrong or useless. */
const RESUMABLE: ReadonlySet<ErrorCode> = new Set([
  "origin-unreachable",
  "origin-timeout",
  "origin-failed",
  "origin-refused",
  "origin-broken",
  "origin-backing-off",
  "shutting-down",
]);

/**
 * Runs a fill to its end, wherever its bytes come from; never rejects: what became of it is in the
 * fill. Order of admission (I2): bytes durable in the store, then the catalog row, then the lease
 * released.
 */
export async function runFill(fill: Fill, ports: FillPorts): Promise<void> {
  try {
    const ownLease =
      fill.plan.content === undefined ? ports.leases.take(fill.plan.key, ports.holder, LEASE_TERM_MS) : undefined;
    // Whoever waits for it hears of it; a spool that fails first means that nobody does.
    ownLease?.catch(() => undefined);
    const ingest = await beginIngest(fill, ports, ownLease);
    try {
      await fillSomehow(fill, ingest, ports, ownLease);
      await ingest.discard();
    } catch (error) {
      const failure = asFailure(error);
      // Readers learn of it before the clean-up, which may take its time.
      if (fill.verdict === undefined) await ports.beforeCut(fill, failure);
      fill.fail(failure);
      const resumable = RESUMABLE.has(failure.code) && fill.plan.content === undefined;
      await (resumable ? ingest.park() : ingest.discard());
      throw failure;
    }
  } catch (error) {
    const failure = asFailure(error);
    fill.fail(failure);
    ports.events.emit({ kind: "fill-failed", fill: fill.id, at: fill.mark, code: failure.code, cause: failure.cause });
  }
}

/** The spool is opened while the lease is on its way. */
async function beginIngest(
  fill: Fill,
  ports: FillPorts,
  lease: ReturnType<Leases["take"]> | undefined,
): Promise<Ingest> {
  try {
    return await Ingest.begin(fill, ports, fill.abort.signal);
  } catch (error) {
    const answer = await lease?.catch(() => undefined);
    // A lease that cannot be given back runs out by itself.
    if (answer?.kind === "taken") await ports.leases.release(answer.lease).catch(() => undefined);
    throw error;
  }
}

/** From the store, from another replica's fill, or under a lease of its own from the outside. */
async function fillSomehow(
  fill: Fill,
  ingest: Ingest,
  ports: FillPorts,
  taking: Promise<LeaseAnswer> | undefined,
): Promise<void> {
  const { content } = fill.plan;
  if (content !== undefined || taking === undefined) {
    if (content === undefined) throw new CisternError("internal", "a fill without a source");
    return fillFromStore(fill, ingest, ports, content);
  }
  let patience = patienceFrom(ports.clock);
  for (let answer: LeaseAnswer | undefined = await taking; answer !== undefined; ) {
    if (answer.kind === "held") {
      // undefined: the other replica's fill has passed, and with it this one.
      answer = await relayOrClaim(fill, ingest, ports, answer, patience);
      continue;
    }
    try {
      return await fillUnderLease(fill, ingest, ports, answer);
    } catch (error) {
      const robbed = isCisternError(error, "fill-cancelled") && !fill.abort.signal.aborted;
      if (!robbed || fill.verdict !== undefined) throw error;
      // This process stood still for a while. Its readers go on with the replica that took the fill over.
      answer = await ports.leases.take(fill.plan.key, ports.holder, LEASE_TERM_MS);
      patience = patienceFrom(ports.clock);
    }
  }
}

async function fillUnderLease(
  fill: Fill,
  ingest: Ingest,
  ports: FillPorts,
  taken: LeaseAnswer & { kind: "taken" },
): Promise<void> {
  const admitted = await pullUnderLease(fill, ingest, ports, taken);
  // The lease is given back by now: what the store has needs none.
  if (admitted !== undefined) await fillFromStore(fill, ingest, ports, admitted);
}

/** Answers the content when another replica has admitted it before the lease was taken. */
async function pullUnderLease(
  fill: Fill,
  ingest: Ingest,
  ports: FillPorts,
  { lease }: LeaseAnswer & { kind: "taken" },
) {
  await using kept = keepLease(ports, lease);
  const signal = AbortSignal.any([fill.abort.signal, kept.lost]);
  const admitted = await admittedMeanwhile(fill, ports);
  if (admitted !== undefined) return admitted;
  fill.hold(lease);
  using _held = { [Symbol.dispose]: () => fill.hold(undefined) };
  const [first] = fill.plan.sources;
  const url = first === undefined ? "" : maskUrl(first.url);
  ports.events.emit({ kind: "fill-started", fill: fill.id, url, resumedAt: fill.mark });
  await using keeping = new Keeping(fill, ingest, ports, lease, signal);
  await pullAll(fill, ingest, ports, signal);
  const verdict = await verify(fill, ingest, ports);
  // With a recorded digest the verdict is all that I1 needs; without one the row is the verdict.
  const proven = hasAnyDigest(fill.plan.digests);
  if (proven) fill.pass(verdict);
  const stored = await keeping.settle(verdict);
  if (!proven) fill.pass(verdict);
  const milliseconds = Math.round(ports.clock.monotonic() - fill.startedAt);
  const { size, digests } = verdict;
  ports.events.emit({
    kind: "fill-passed",
    fill: fill.id,
    bytes: size,
    milliseconds,
    sha256: digests.sha256,
    kept: stored,
  });
  return undefined;
}

function asFailure(error: unknown): CisternError {
  if (error instanceof CisternError) return error;
  return new CisternError("internal", "the fill failed", { cause: error });
}
