import type { ContentRecord } from "../domain/content.ts";
import { hasAnyDigest } from "../domain/digest.ts";
import { CisternError, type ErrorCode } from "../domain/errors.ts";
import type { LeaseAnswer } from "../domain/lease.ts";
import { maskUrl } from "../domain/location.ts";
import type { Fill } from "./fill.ts";
import type { Verdict } from "./fill-plan.ts";
import { HeldSpace, type SpacePorts } from "./held-space.ts";
import { Ingest, type IngestPorts } from "./ingest.ts";
import { type KeptLease, keepLease, LEASE_TERM_MS, type LeasePorts } from "./lease-keeper.ts";
import { type PullPorts, pullAll } from "./pull.ts";
import { askAgain, patienceFrom, type RelayPorts, relayOrClaim } from "./relay-fill.ts";
import { Keeping, type SettlePorts } from "./settle.ts";
import { admittedMeanwhile, fillFromStore, type StoreFillPorts } from "./store-fill.ts";
import { verify } from "./verify-fill.ts";

type Everything = PullPorts & IngestPorts & LeasePorts & RelayPorts & StoreFillPorts & SettlePorts & SpacePorts;

export interface FillPorts extends Everything {
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
  "too-busy",
  "catalog-unavailable",
  "egress-quota",
]);

/** A lease under which this fill fetches: renewed, and known to those who ask, until it is disposed. */
interface Taken extends KeptLease {
  readonly kind: "taken";
}

type Asked = Taken | (LeaseAnswer & { kind: "held" });

/**
 * Runs a fill to its end, wherever its bytes come from; never rejects: what became of it is in the
 * fill. Order of admission (I2): bytes durable in the store, then the catalog row, then the lease
 * released.
 */
export async function runFill(fill: Fill, ports: FillPorts): Promise<void> {
  try {
    const { content } = fill.plan;
    const taking = content === undefined ? takeLease(fill, ports) : undefined;
    // Whoever waits for it hears of it; a spool that fails first means that nobody does.
    taking?.catch(() => undefined);
    const ingest = await beginIngest(fill, ports, taking);
    try {
      if (taking !== undefined) await fillFromOutside(fill, ingest, ports, taking);
      else if (content !== undefined) await fillFromStore(fill, ingest, ports, content);
      await ingest.discard();
    } catch (error) {
      const failure = asFailure(error);
      await tellFailure(fill, ports, failure);
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

/** Readers learn of it before the clean-up, which may take its time, and before the next run begins. */
async function tellFailure(fill: Fill, ports: FillPorts, failure: CisternError): Promise<void> {
  if (fill.verdict === undefined && fill.failure === undefined) await ports.beforeCut(fill, failure);
  fill.fail(failure);
}

async function takeLease(fill: Fill, ports: FillPorts): Promise<Asked> {
  return kept(fill, ports, await ports.leases.take(fill.plan.key, ports.holder, LEASE_TERM_MS));
}

/** Renewed from the moment that it is taken: what is spooled already may take minutes to be hashed again. */
function kept(fill: Fill, ports: FillPorts, answer: LeaseAnswer): Asked {
  if (answer.kind === "held") return answer;
  const keeping = keepLease(ports, answer.lease);
  fill.hold(answer.lease);
  return {
    ...keeping,
    kind: "taken",
    async [Symbol.asyncDispose]() {
      fill.hold(undefined);
      await keeping[Symbol.asyncDispose]();
    },
  };
}

/** The spool is opened while the lease is on its way. */
async function beginIngest(fill: Fill, ports: FillPorts, taking: Promise<Asked> | undefined): Promise<Ingest> {
  try {
    return await Ingest.begin(fill, ports, fill.abort.signal);
  } catch (error) {
    await tellFailure(fill, ports, asFailure(error));
    const asked = await taking?.catch(() => undefined);
    if (asked?.kind === "taken") await asked[Symbol.asyncDispose]();
    throw error;
  }
}

/** Under a lease of its own, or from the fill of the replica that has the lease. */
async function fillFromOutside(fill: Fill, ingest: Ingest, ports: FillPorts, taking: Promise<Asked>): Promise<void> {
  let patience = patienceFrom(ports.clock);
  for (let asked = await taking; ; ) {
    if (asked.kind === "taken") {
      const pulled = await pullUnderLease(fill, ingest, ports, asked);
      // The lease is given back by now: what the store has needs none.
      if (pulled.kind === "admitted") await fillFromStore(fill, ingest, ports, pulled.content);
      if (pulled.kind !== "lost") return;
      patience = patienceFrom(ports.clock);
      asked = kept(fill, ports, await askAgain(fill, ports, patience));
    } else {
      const answer = await relayOrClaim(fill, ingest, ports, asked, patience);
      // The other replica's fill has passed, and with it this one.
      if (answer === undefined) return;
      asked = kept(fill, ports, answer);
    }
  }
}

type Pulled =
  | { readonly kind: "done" }
  /** Another replica has admitted it before the lease was taken. */
  | { readonly kind: "admitted"; readonly content: ContentRecord }
  /** Another replica has taken the fill over: its bytes are to be had from there. */
  | { readonly kind: "lost" };

async function pullUnderLease(fill: Fill, ingest: Ingest, ports: FillPorts, taken: Taken): Promise<Pulled> {
  await using own = taken;
  const content = await admittedMeanwhile(fill, ports);
  if (content !== undefined) return { kind: "admitted", content };
  const [first] = fill.plan.sources;
  const url = first === undefined ? "" : maskUrl(first.url);
  ports.events.emit({ kind: "fill-started", fill: fill.id, url, resumedAt: fill.mark });
  const signal = AbortSignal.any([fill.abort.signal, own.lost]);
  await using space = new HeldSpace(fill, ports, own.lease, signal);
  await using keeping = new Keeping(fill, ingest, ports, own.lease, space, signal);
  try {
    await space.expect();
    await pullAll(fill, ingest, space, ports, signal);
  } catch (error) {
    if (own.lost.aborted && !fill.abort.signal.aborted) return { kind: "lost" };
    await tellFailure(fill, ports, asFailure(error));
    throw error;
  }
  try {
    await conclude(fill, ingest, ports, keeping);
  } catch (error) {
    await tellFailure(fill, ports, asFailure(error));
    throw error;
  }
  return { kind: "done" };
}

/** Recorded all the same: whoever asks for it again is refused before it is fetched. */
async function refuseBlocked(fill: Fill, ports: FillPorts, { digests, size }: Verdict): Promise<void> {
  try {
    ports.blocked.check(digests.sha256);
  } catch (error) {
    await ports.blobs.recordVerified([...fill.records.keys()], digests, size, "first_fetch");
    throw error;
  }
}

async function conclude(fill: Fill, ingest: Ingest, ports: FillPorts, keeping: Keeping): Promise<void> {
  const verdict = await verify(fill, ingest, ports);
  await refuseBlocked(fill, ports, verdict);
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
}

function asFailure(error: unknown): CisternError {
  if (error instanceof CisternError) return error;
  return new CisternError("internal", "the fill failed", { cause: error });
}
