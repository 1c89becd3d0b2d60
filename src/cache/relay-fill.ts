import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { Clock } from "../domain/clock.ts";
import type { ContentRecord, Fence } from "../domain/content.ts";
import { hasAnyDigest } from "../domain/digest.ts";
import { CisternError, type ErrorCode, isCisternError } from "../domain/errors.ts";
import type { Events } from "../domain/events.ts";
import type { Lease, LeaseAnswer, Leases } from "../domain/lease.ts";
import type { Peers, RelayAnswer } from "../domain/peer.ts";
import type { BlockedContents } from "./blocked-contents.ts";
import type { Fill } from "./fill.ts";
import type { Ingest } from "./ingest.ts";
import { type HotPorts, keepHot } from "./keep-hot.ts";
import { LEASE_TERM_MS } from "./lease-keeper.ts";
import type { SourceHealth } from "./source-health.ts";
import { foundIn } from "./verify-fill.ts";

export interface RelayPorts extends HotPorts {
  readonly peers: Pick<Peers, "relay">;
  readonly leases: Leases;
  readonly blobs: BlobCatalog;
  readonly clock: Clock;
  readonly events: Events;
  readonly health: SourceHealth;
  readonly blocked: Pick<BlockedContents, "check">;
  /** Names this process as the holder of leases. */
  readonly holder: string;
}

/** With these the holder has left the fill to others; every other failure is the content's or the origin's. */
const HANDED_ON: ReadonlySet<ErrorCode> = new Set([
  "shutting-down",
  "fill-cancelled",
  "too-busy",
  "spool-full",
  "store-unavailable",
  "catalog-unavailable",
  "precondition-failed",
  "internal",
]);
const POLL_MS = 500;
/** A holder that sends nothing for so long is looked after: it may hang, and no connection breaks of that. */
const QUIET_MS = 3_000;
/**
 * How long a holder may stay silent, and keep its lease, before readers are told to come back. Longer
 * than an origin may take to answer it, shorter than a client waits.
 */
const PATIENCE_MS = 45_000;
/** How long the holder may take from its verdict to the catalog's row. */
const ADMISSION_MS = 60_000;

/** How long a fill goes on asking for a holder's bytes, or for its lease. */
export interface Patience {
  /** Milliseconds of the monotonic clock. */
  until: number;
  /** The fence of the fill that the bytes so far have been read along with. */
  along: Fence | undefined;
}

export function patienceFrom(clock: Clock): Patience {
  return { until: clock.monotonic() + PATIENCE_MS, along: undefined };
}

/** What the holder, or the way to it, failed with; what fails here is of another kind. */
class PeerFault extends Error {
  readonly failure: CisternError;

  constructor(failure: CisternError) {
    super(failure.message, { cause: failure });
    this.failure = failure;
  }
}

/**
 * Another replica holds the lease: reads along with its fill, from this fill's own high-water mark.
 * Answers undefined when that has passed, else what came of asking for the lease again.
 */
export async function relayOrClaim(
  fill: Fill,
  ingest: Ingest,
  ports: RelayPorts,
  held: LeaseAnswer & { kind: "held" },
  patience: Patience,
): Promise<LeaseAnswer | undefined> {
  const { by } = held;
  const claim = (certain: boolean) =>
    insist(fill, ports, patience, () => ports.leases.takeOver(by, ports.holder, LEASE_TERM_MS, certain));
  // Its run here is over: one key is filled by one run at a time.
  if (by.holder === ports.holder) return claim(true);
  const before = fill.mark;
  try {
    await relay(fill, ingest, ports, by, patience);
    return undefined;
  } catch (error) {
    fill.abort.signal.throwIfAborted();
    if (!(error instanceof PeerFault)) throw error;
    const { failure } = error;
    const { code, cause } = failure;
    const url = by.holder.split("#", 1)[0] ?? "";
    ports.events.emit({ kind: "fill-source-failed", fill: fill.id, url, at: fill.mark, code, cause });
    if (fill.mark > before) patience.until = ports.clock.monotonic() + PATIENCE_MS;
    if (code === "peer-denied") return claim(true);
    // A holder that is only cut off from the database still answers: asked first, then taken over.
    if (code === "peer-unreachable" && held.expired) return claim(false);
    if (code !== "peer-unreachable" && !HANDED_ON.has(code)) {
      noteFailure(fill, ports, failure);
      throw failure;
    }
    if (ports.clock.monotonic() > patience.until) {
      throw new CisternError("too-busy", "the replica that fetches this content does not deliver it", {
        cause: failure,
        retryAfter: 10,
      });
    }
    await pause(fill, ports);
    return askAgain(fill, ports, patience);
  }
}

/** Asks for the lease of a fill that is under way: with bytes, and readers who wait for more. */
export function askAgain(fill: Fill, ports: RelayPorts, patience: Patience): Promise<LeaseAnswer> {
  return insist(fill, ports, patience, () => ports.leases.take(fill.plan.key, ports.holder, LEASE_TERM_MS));
}

/** A catalog that is away for a moment ends no fill that is under way. */
async function insist(
  fill: Fill,
  ports: RelayPorts,
  patience: Patience,
  ask: () => Promise<LeaseAnswer>,
): Promise<LeaseAnswer> {
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (!isCisternError(error, "catalog-unavailable") || ports.clock.monotonic() > patience.until) throw error;
      ports.events.emit({ kind: "degraded", part: "catalog", cause: error });
    }
    await pause(fill, ports);
  }
}

function pause(fill: Fill, { clock }: RelayPorts): Promise<void> {
  return clock.sleep(POLL_MS * (0.5 + clock.random()), fill.abort.signal);
}

/** What the holder has found out about a location, it has found out for this replica too. */
function noteFailure(fill: Fill, { health }: RelayPorts, failure: CisternError): void {
  const location = fill.plan.sources.find(({ url }) => url === fill.origin?.url);
  if (location !== undefined) health.failed(fill.plan.domain, location, failure);
}

async function relay(fill: Fill, ingest: Ingest, ports: RelayPorts, by: Lease, patience: Patience): Promise<void> {
  await using watch = watchHolder(fill, ports, by);
  const signal = AbortSignal.any([fill.abort.signal, watch.gone]);
  const request = { holder: by.holder, key: by.key, fence: by.fence, offset: fill.mark, keep: fill.keeps };
  const answer = await ofPeer(() => ports.peers.relay(request, signal));
  const bytes = answer.body[Symbol.asyncIterator]();
  try {
    refuseOther(fill, answer, patience.along === by.fence);
    patience.along = by.fence;
    ports.events.emit({ kind: "fill-relayed", fill: fill.id, holder: by.holder, from: fill.mark });
    fill.open(answer.total);
    ingest.from(answer.url, answer.validator);
    for (let step = await ofPeer(() => bytes.next()); step.done !== true; step = await ofPeer(() => bytes.next())) {
      const wait = ingest.take(step.value);
      if (wait !== undefined) await wait;
    }
  } catch (error) {
    // A body that nobody reads would hold its connection.
    await bytes.return?.();
    throw error;
  }
  const said = answer.verdict();
  // What takes the place of admitted content must be that content.
  const { plan } = fill;
  const verdict = await foundIn(fill, ingest, plan, ...(plan.around === undefined ? [] : [plan.around]));
  if (said.sha256 !== verdict.digests.sha256 || said.size !== verdict.size) {
    throw new CisternError("content-changed", "this replica and the one that fetches have different bytes");
  }
  ports.blocked.check(verdict.digests.sha256);
  fill.pass(verdict);
  watch.stop();
  if (plan.around !== undefined) await keepHere(ingest, ports, plan.around);
  else await awaitAdmission(fill, ingest, ports, by);
}

/** Whether the holder is gone: it sends nothing, and has not renewed its lease, or has lost it. */
interface HolderWatch extends AsyncDisposable {
  readonly gone: AbortSignal;
  stop(): void;
}

function watchHolder(fill: Fill, ports: RelayPorts, by: Lease): HolderWatch {
  const gone = new AbortController();
  const stop = new AbortController();
  const watching = watch(fill, ports, by, gone, stop.signal);
  return {
    gone: gone.signal,
    stop: () => stop.abort(),
    async [Symbol.asyncDispose]() {
      stop.abort();
      await watching;
    },
  };
}

async function watch(
  fill: Fill,
  { leases, clock }: RelayPorts,
  by: Lease,
  gone: AbortController,
  stop: AbortSignal,
): Promise<void> {
  while (!stop.aborted) {
    const before = fill.mark;
    try {
      await clock.sleep(QUIET_MS, stop);
      if (fill.mark > before) continue;
      const held = await leases.find(by.key);
      if (held?.by.fence === by.fence && !held.expired) continue;
    } catch (error) {
      if (stop.aborted) return;
      // Doubt is no loss: without the catalog nobody takes the lease over.
      if (isCisternError(error, "catalog-unavailable")) continue;
      gone.abort(error);
      return;
    }
    gone.abort(new CisternError("peer-unreachable", "the replica that fetches this hangs"));
    return;
  }
}

async function ofPeer<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw error instanceof CisternError ? new PeerFault(error) : error;
  }
}

/**
 * What an answer's head tells already. Bytes that are here must be the head of what the holder
 * fetches: a recorded digest tells in the end, and without one nothing but a validator does.
 * @param along they were read along with this very fill
 */
function refuseOther(fill: Fill, { url, validator, total }: RelayAnswer, along: boolean): void {
  if (total !== undefined && fill.total !== undefined && total !== fill.total) {
    throw new CisternError("size-mismatch", `another replica fetches ${total} bytes, ${fill.total} are expected`);
  }
  if (fill.mark === 0 || along || hasAnyDigest(fill.plan.digests)) return;
  const { origin } = fill;
  const same = validator !== undefined && origin?.url === url && origin.validator?.value === validator.value;
  if (!same) throw new CisternError("content-changed", "another replica fetches other bytes than were received before");
}

/**
 * The holder's object and row come a little after its verdict. Until then whoever asks here is
 * served from this fill; then its bytes become the local copy.
 */
async function awaitAdmission(fill: Fill, ingest: Ingest, ports: RelayPorts, by: Lease): Promise<void> {
  const deadline = ports.clock.monotonic() + ADMISSION_MS;
  while (fill.keeps && ports.clock.monotonic() < deadline) {
    const content = await admitted(fill, ports);
    if (content !== undefined) {
      await keepHere(ingest, ports, content);
      return;
    }
    if (await over(fill, by, ports)) return;
    await ports.clock.sleep(POLL_MS / 2, fill.abort.signal);
  }
}

async function keepHere(ingest: Ingest, ports: RelayPorts, { object, size }: ContentRecord): Promise<void> {
  const file = await ingest.seal();
  if (file !== undefined) await keepHot(ports, object, file, size);
}

async function admitted(fill: Fill, ports: RelayPorts): Promise<ContentRecord | undefined> {
  for (const { ref, blob } of fill.records.values()) {
    try {
      const resolved = await ports.blobs.resolve(ref);
      if (resolved?.admittedElsewhere === true) await ports.blobs.joinContent(blob);
      if (resolved?.content !== undefined) return resolved.content;
    } catch (error) {
      if (!isCisternError(error, "catalog-unavailable")) throw error;
    }
  }
  return undefined;
}

/** True when the holder has ended without admitting anything: the row would come with the end of its lease. */
async function over(fill: Fill, by: Lease, ports: RelayPorts): Promise<boolean> {
  try {
    const held = await ports.leases.find(by.key);
    return held?.by.fence !== by.fence && (await admitted(fill, ports)) === undefined;
  } catch (error) {
    if (!isCisternError(error, "catalog-unavailable")) throw error;
    return false;
  }
}
