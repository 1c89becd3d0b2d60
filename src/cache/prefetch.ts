import type { ResolvedBlob } from "../domain/blob.ts";
import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { Clock } from "../domain/clock.ts";
import type { ContentRecord } from "../domain/content.ts";
import type { Sha256 } from "../domain/digest.ts";
import { CisternError, type ErrorCode } from "../domain/errors.ts";
import { type FetchWindow, nextStart } from "../domain/fetch-window.ts";
import type { FillEntry } from "../domain/fill-entry.ts";
import type { FillOutcome } from "../domain/fill-queue.ts";
import type { TierUse } from "../domain/replica.ts";
import type { Fill } from "./fill.ts";
import type { FillRegistry } from "./fill-registry.ts";
import type { Resolver } from "./resolve.ts";

/** What the policy says of blobs, whoever asks. */
export interface PrefetchRules {
  /** When it is fetched without being asked for; undefined: it is not. */
  prefetch(of: Pick<ResolvedBlob, "artifact" | "blob">): "on-register" | FetchWindow | undefined;
  /** Its bytes may be kept here. */
  keeps(resolved: ResolvedBlob): boolean;
}

export interface PrefetchPorts {
  readonly resolver: Resolver;
  readonly blobs: BlobCatalog;
  readonly fills: FillRegistry;
  readonly rules: PrefetchRules;
  readonly clock: Clock;
  /** Of the spool, what prefetches may use of it together; the rest is demand's. */
  spool(): TierUse;
  /** Keeps eviction from content until then; a pin that holds longer stays. */
  pin(content: Sha256, until: Date, reason: string, by: string): Promise<void>;
}

/** What a prefetch is told while it runs. */
export interface PrefetchWatch {
  /** The fill that it waits for now. */
  fill: Fill | undefined;
  /** As the queue has it by now: another asker may have wanted a longer pin. */
  entry: FillEntry;
}

/** So often it is begun, then it has failed. */
const MAX_ATTEMPTS = 5;
/** Fills that end without content of this record, one after the other: others' that it had joined. */
const MAX_FILLS = 4;
const BASE_MS = 30_000;
const CAP_MS = 3_600_000;
/** For the next attempt of what was only in the way of others. */
const AGAIN_MS = 5_000;
/** For the next look at a spool that was full. */
const ROOM_MS = 15_000;
/** Trying again changes nothing about these. */
const FINAL: ReadonlySet<ErrorCode> = new Set([
  "digest-mismatch",
  "size-mismatch",
  "origin-loop",
  "origin-encoded",
  "origin-unframed",
  "host-not-allowed",
  "address-not-allowed",
  "policy-denied",
  "content-blocked",
  "pin-limit",
  "blob-not-found",
  "forbidden",
]);
/** These are no fault of the origin or the content: somebody or something goes first. */
const IN_THE_WAY: ReadonlySet<ErrorCode> = new Set([
  "too-busy",
  "shutting-down",
  "egress-quota",
  "catalog-unavailable",
]);

/**
 * Brings a blob's content here as a reader would, by the same fill, and answers what has become of it.
 * @param signal aborted when it is cancelled, when its deadline passes or the process ends
 */
export async function prefetch(watch: PrefetchWatch, ports: PrefetchPorts, signal: AbortSignal): Promise<FillOutcome> {
  const { ref, attempts } = watch.entry;
  if (ref === undefined) return failed("internal", "a prefetch without a blob");
  if (attempts > MAX_ATTEMPTS) return failed("internal", "the process that fetched it ended each time");
  try {
    for (let turn = 0; turn < MAX_FILLS; turn += 1) {
      const resolved = await ports.resolver.fresh(ref);
      const content = await here(resolved, ports);
      if (content !== undefined) return await arrived(content, watch, ports);
      const refused = refusal(resolved, watch.entry, ports);
      if (refused !== undefined || resolved === undefined) return refused ?? failed("blob-not-found", GONE);
      const before = watch.fill;
      if (before?.failure !== undefined) throw before.failure;
      // It has passed, and this record has nothing of it: there was no room.
      if (before?.keeps) throw new CisternError("no-space", "there is no room to keep it");
      await follow(resolved, watch, ports, signal);
    }
    return later(AGAIN_MS, false, new CisternError("too-busy", "others fetch it, and keep nothing of it"));
  } catch (error) {
    signal.throwIfAborted();
    return afterFailure(error, watch.entry, ports.clock);
  }
}

const GONE = "the record or its location is gone";

/** Content that the record has earned, or may earn without a fetch. */
async function here(resolved: ResolvedBlob | undefined, ports: PrefetchPorts): Promise<ContentRecord | undefined> {
  if (resolved?.content !== undefined || resolved?.admittedElsewhere !== true) return resolved?.content;
  if (!(await ports.blobs.joinContent(resolved.blob.id))) return undefined;
  return (await ports.resolver.fresh(resolved.blob))?.content;
}

function refusal(
  resolved: ResolvedBlob | undefined,
  entry: FillEntry,
  { rules, clock, spool }: PrefetchPorts,
): FillOutcome | undefined {
  if (resolved?.blob.location?.kind !== "external") return failed("blob-not-found", GONE);
  const { used, limit } = spool();
  const size = resolved.blob.size ?? 0;
  if (size > limit) return failed("spool-full", "it is larger than what prefetches may use of the spool");
  if (size > limit - used)
    return later(ROOM_MS, false, new CisternError("spool-full", "the spool has no room for it now"));
  if (resolved.artifact.status === "deactivated") return failed("forbidden", "the artifact is deactivated");
  if (!rules.keeps(resolved)) return failed("policy-denied", "the policy keeps nothing of it here");
  if (entry.via === "request") return undefined;
  const when = rules.prefetch(resolved);
  if (when === undefined) return { state: "cancelled", bytes: 0 };
  if (when === "on-register") return undefined;
  const now = clock.now();
  const start = nextStart(when, now);
  if (start === undefined) return { state: "cancelled", bytes: 0 };
  return start > now ? later(start.getTime() - now.getTime(), false) : undefined;
}

async function follow(
  resolved: ResolvedBlob,
  watch: PrefetchWatch,
  { fills }: PrefetchPorts,
  signal: AbortSignal,
): Promise<void> {
  const { id } = watch.entry;
  const fill = fills.find(resolved, 0, false) ?? fills.start(resolved, true, undefined, false);
  // Somebody may have begun it who causes no keeping.
  fill.keep();
  fill.awaited.add(id);
  watch.fill = fill;
  try {
    await unlessAborted(fills.ended(fill), signal);
  } finally {
    fill.awaited.delete(id);
  }
}

/** A pin that there is no room for is a failure that is told: somebody counts on it. */
async function arrived(content: ContentRecord, { entry }: PrefetchWatch, ports: PrefetchPorts): Promise<FillOutcome> {
  if (entry.pinFor !== undefined) {
    const until = new Date(ports.clock.now().getTime() + entry.pinFor);
    await ports.pin(content.object.sha256, until, `prefetch ${entry.id}`, entry.askedBy);
  }
  return { state: "done", bytes: content.size };
}

function afterFailure(error: unknown, { attempts }: FillEntry, clock: Clock): FillOutcome {
  const failure =
    error instanceof CisternError ? error : new CisternError("internal", "it failed here", { cause: error });
  const { code, message } = failure;
  const wait = (failure.retryAfter ?? 0) * 1000;
  if (IN_THE_WAY.has(code)) return later(Math.max(AGAIN_MS, wait), false, failure);
  if (FINAL.has(code) || attempts >= MAX_ATTEMPTS) return failed(code, message);
  const pause = Math.min(CAP_MS, BASE_MS * 2 ** (attempts - 1)) * (0.5 + clock.random() / 2);
  return later(Math.max(pause, wait), true, failure);
}

function failed(code: ErrorCode, message: string): FillOutcome {
  return { state: "failed", code, message };
}

function later(pause: number, counted: boolean, failure?: CisternError): FillOutcome {
  const why = failure === undefined ? {} : { code: failure.code, message: failure.message };
  return { state: "queued", pause: Math.round(pause), counted, ...why };
}

function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  if (signal.aborted) onAbort();
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", onAbort));
}
