import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { ContentCatalog } from "../domain/content-catalog.ts";
import type { ContentStore } from "../domain/content-store.ts";
import { contradiction, hasAnyDigest } from "../domain/digest.ts";
import { CisternError, type ErrorCode, isCisternError } from "../domain/errors.ts";
import type { Lease, Leases } from "../domain/lease.ts";
import { maskUrl } from "../domain/location.ts";
import type { Fill, Verdict } from "./fill.ts";
import { Ingest, type IngestPorts } from "./ingest.ts";
import { keepLease } from "./lease-keeper.ts";
import { type PullPorts, pullAll } from "./pull.ts";

export interface FillPorts extends PullPorts, IngestPorts {
  readonly store: ContentStore;
  readonly blobs: BlobCatalog;
  readonly contents: ContentCatalog;
  readonly leases: Leases;
  /** Names this process as the holder of leases. */
  readonly holder: string;
  /** Makes room in the cache for this many bytes; false when there is none to be had. */
  makeRoom(bytes: number): Promise<boolean>;
}

const ADMIT_ATTEMPTS = 8;
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
 * Runs a fill from its lease to its end; never rejects: what became of it is in the fill.
 * Order of admission (I2): bytes durable in the store, then the catalog row, then the lease released.
 */
export async function runFill(fill: Fill, ports: FillPorts): Promise<void> {
  try {
    await using kept = await keepLease(ports.leases, ports.clock, fill.plan.key, ports.holder);
    const signal = AbortSignal.any([fill.abort.signal, kept.lost]);
    await fillUnderLease(fill, ports, kept.lease, signal);
  } catch (error) {
    const failure = asFailure(error);
    fill.fail(failure);
    ports.events.emit({ kind: "fill-failed", fill: fill.id, at: fill.mark, code: failure.code, cause: failure.cause });
  }
}

async function fillUnderLease(fill: Fill, ports: FillPorts, lease: Lease, signal: AbortSignal): Promise<void> {
  const ingest = await Ingest.begin(fill, ports, signal);
  try {
    const [first] = fill.plan.sources;
    const url = first === undefined ? "" : maskUrl(first.url);
    ports.events.emit({ kind: "fill-started", fill: fill.id, url, resumedAt: fill.mark });
    await pullAll(fill, ingest, ports, signal);
    const verdict = await verify(fill, ingest, ports);
    // With a recorded digest the verdict is all that I1 needs; without one the row is the verdict.
    const proven = hasAnyDigest(fill.plan.digests);
    if (proven) fill.pass(verdict);
    const kept = await settle(fill, ingest, ports, lease, verdict, signal);
    if (!proven) fill.pass(verdict);
    const milliseconds = Math.round(ports.clock.monotonic() - fill.startedAt);
    const { size, digests } = verdict;
    ports.events.emit({ kind: "fill-passed", fill: fill.id, bytes: size, milliseconds, sha256: digests.sha256, kept });
    await ingest.discard();
  } catch (error) {
    // Readers learn of it before the clean-up, which may take its time.
    const failure = asFailure(error);
    if (fill.verdict === undefined) fill.fail(failure);
    await (RESUMABLE.has(failure.code) ? ingest.park() : ingest.discard());
    throw failure;
  }
}

/** Compares size and every recorded digest; a mismatch counts against the location that delivered. */
async function verify(fill: Fill, ingest: Ingest, ports: FillPorts): Promise<Verdict> {
  const { plan } = fill;
  const verdict = { digests: await ingest.finish(), size: fill.mark };
  const location = plan.sources.find((source) => source.url === ingest.url);
  const wrong = contradiction(plan.digests, verdict.digests);
  if (wrong === undefined && (plan.size === undefined || plan.size === verdict.size)) {
    if (location !== undefined) ports.health.passed(plan.domain, location);
    return verdict;
  }
  const failure =
    wrong === undefined
      ? new CisternError("size-mismatch", `the origin's content has ${verdict.size} bytes, ${plan.size} are recorded`)
      : new CisternError("digest-mismatch", `the origin's content does not have the recorded ${wrong}`);
  if (location !== undefined) {
    ports.health.failed(plan.domain, location, failure);
    const recorded = (wrong === undefined ? undefined : plan.digests[wrong]) ?? String(plan.size);
    const found = (wrong === undefined ? undefined : verdict.digests[wrong]) ?? String(verdict.size);
    ports.events.emit({ kind: "content-changed", url: maskUrl(location.url), recorded, found });
  }
  throw failure;
}

/** Keeps the content, or records what is known of it; answers whether it was kept. */
async function settle(
  fill: Fill,
  ingest: Ingest,
  ports: FillPorts,
  lease: Lease,
  verdict: Verdict,
  signal: AbortSignal,
): Promise<boolean> {
  if (fill.plan.keep && (await store(fill, ingest, ports, lease, verdict, signal))) {
    await insist(ports, signal, () => admit(fill, ports, lease, verdict));
    return true;
  }
  const blobs = [...fill.records.keys()];
  await insist(ports, signal, () => ports.blobs.recordVerified(blobs, verdict.digests, verdict.size, "first_fetch"));
  return false;
}

/** Bytes into the store. A store that fails now costs the cached copy, never a response. */
async function store(
  fill: Fill,
  ingest: Ingest,
  ports: FillPorts,
  lease: Lease,
  verdict: Verdict,
  signal: AbortSignal,
): Promise<boolean> {
  try {
    if (fill.windowed || !(await ports.makeRoom(verdict.size))) return false;
    const file = await ingest.seal();
    if (file === undefined) return false;
    const object = { sha256: verdict.digests.sha256, fence: lease.fence };
    await using staging = ports.store.stage(object, file, verdict.size);
    staging.advance(verdict.size);
    await staging.commit(signal);
    return true;
  } catch (error) {
    if (!isCisternError(error, "store-unavailable") && !isCisternError(error, "spool-full")) throw error;
    ports.events.emit({ kind: "degraded", part: "store", cause: error });
    return false;
  }
}

async function admit(fill: Fill, ports: FillPorts, lease: Lease, verdict: Verdict): Promise<void> {
  const object = { sha256: verdict.digests.sha256, fence: lease.fence };
  const blobs = [...fill.records.keys()];
  const { digests, size } = verdict;
  try {
    const admitted = await ports.contents.admit({ lease, blobs, digests, size, digestSource: "first_fetch" });
    if (admitted.kind === "admitted") {
      ports.events.emit({ kind: "content-admitted", sha256: object.sha256, bytes: size });
    } else {
      await ports.store.remove(object);
    }
  } catch (error) {
    // Only this refusal is certain: after an outage the row may have been written under this very name.
    if (isCisternError(error, "digest-mismatch")) await ports.store.remove(object);
    throw error;
  }
}

/** Tries again while the catalog is away: the bytes are there, only the row is missing. */
async function insist(ports: FillPorts, signal: AbortSignal, write: () => Promise<void>): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await write();
      return;
    } catch (error) {
      if (!isCisternError(error, "catalog-unavailable") || attempt === ADMIT_ATTEMPTS) throw error;
      ports.events.emit({ kind: "degraded", part: "catalog", cause: error });
      await ports.clock.sleep(250 * 2 ** attempt * ports.clock.random(), signal);
    }
  }
}

function asFailure(error: unknown): CisternError {
  if (error instanceof CisternError) return error;
  return new CisternError("internal", "the fill failed", { cause: error });
}
