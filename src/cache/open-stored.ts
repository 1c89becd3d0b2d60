import type { ResolvedBlob } from "../domain/blob.ts";
import type { ByteRange } from "../domain/byte-range.ts";
import type { ContentRecord } from "../domain/content.ts";
import { CisternError, isCisternError } from "../domain/errors.ts";
import type { BlobBody } from "./body.ts";
import type { Fill } from "./fill.ts";
import type { FillRegistry } from "./fill-registry.ts";
import { Follower } from "./follow.ts";
import { StoredBody, type StoredPorts } from "./stored-body.ts";
import { WRONG_BYTES } from "./verify-fill.ts";

export interface OpenStoredPorts extends StoredPorts {
  readonly fills: FillRegistry;
}

/** Admitted content, opened. */
export interface OpenedContent {
  readonly body: BlobBody;
  /** True when every byte has passed already: the body cannot turn out wrong. */
  readonly verified: boolean;
}

/** "damaged": the copy was not what was admitted, and nobody is to read what it was made of. */
type Copied = OpenedContent | "damaged" | undefined;

/** A reader that begins so far ahead of a copy under way reads the store itself. */
const AHEAD = 16 * 1024 * 1024;
const OPEN_MS = 30_000;
/** Bodies up to this size are sent after the verdict: what turns out wrong then harms nobody. */
const SMALL = 1024 * 1024;

/**
 * Opens admitted content where it is nearest: a local file, a copy from the store that is under way,
 * the store. undefined: the store certainly has not got it, or what it has is damaged;
 * `store-unavailable` when it fails.
 */
export async function openStored(
  resolved: ResolvedBlob,
  content: ContentRecord,
  range: ByteRange,
  caller: string,
  ports: OpenStoredPorts,
  signal: AbortSignal,
): Promise<OpenedContent | undefined> {
  const near = await openNear(content, range, ports);
  if (near !== undefined) return near;
  const running = ports.fills.findStored(resolved, content, range.start);
  if (running !== undefined && running.mark + AHEAD >= range.start) {
    const copied = await follow(running, content, range, caller, ports, signal);
    if (copied === "damaged") return undefined;
    if (copied !== undefined) return copied;
  }
  const far = await openFar(content, range, ports);
  if (!(far instanceof StoredBody)) return far;
  const copied = await copy(resolved, content, range, caller, ports, signal);
  if (copied === undefined) return { body: far, verified: true };
  far[Symbol.dispose]();
  return copied === "damaged" ? undefined : copied;
}

/** From the hot tier. A disk that fails there is no reason to fail: the store has the bytes. */
async function openNear(
  content: ContentRecord,
  range: ByteRange,
  ports: OpenStoredPorts,
): Promise<OpenedContent | undefined> {
  const { hot } = ports;
  if (hot === undefined) return undefined;
  try {
    const body = await StoredBody.open(content, range, { ...ports, store: hot });
    return body === undefined ? undefined : { body, verified: true };
  } catch (error) {
    if (!isCisternError(error, "store-unavailable")) throw error;
    return undefined;
  }
}

/** From the store, or from the hot tier when the store fails and somebody has brought it here meanwhile. */
async function openFar(
  content: ContentRecord,
  range: ByteRange,
  ports: OpenStoredPorts,
): Promise<StoredBody | OpenedContent | undefined> {
  try {
    return await StoredBody.open(content, range, ports);
  } catch (error) {
    const near = isCisternError(error, "store-unavailable") ? await openNear(content, range, ports) : undefined;
    if (near === undefined) throw error;
    return near;
  }
}

/** Starts the copy into the hot tier, or joins it; undefined: read the store directly. */
async function copy(
  resolved: ResolvedBlob,
  content: ContentRecord,
  range: ByteRange,
  caller: string,
  ports: OpenStoredPorts,
  signal: AbortSignal,
): Promise<Copied> {
  if (ports.hot?.fits(content.size) !== true) return undefined;
  // Nothing waits between this look and the start: a herd starts one copy.
  const fill =
    ports.fills.findStored(resolved, content, range.start) ?? start(() => ports.fills.startStored(resolved, content));
  if (fill === undefined || fill.mark + AHEAD < range.start) return undefined;
  return follow(fill, content, range, caller, ports, signal);
}

/** undefined: the copy has failed before this reader had a byte of it, has no disk space, or would keep it waiting. */
async function follow(
  fill: Fill,
  content: ContentRecord,
  range: ByteRange,
  caller: string,
  ports: OpenStoredPorts,
  signal: AbortSignal,
): Promise<Copied> {
  // A part of it is not to wait for the verdict of the whole, which the store's object has had.
  if (range.end < content.size && fill.verdict === undefined) return undefined;
  try {
    using _place = new Follower(fill, range.start, range.end, ports.budget, caller);
    const ready = () =>
      fill.plan.size !== undefined && fill.plan.size <= SMALL ? fill.verdict : fill.opened || undefined;
    await fill.until(ready, OPEN_MS, signal);
    // The disk is full: no copy comes of it, and slow readers would be cut who need not be.
    if (fill.windowed && fill.verdict === undefined) return undefined;
    const body = new Follower(fill, range.start, range.end, ports.budget, caller);
    return { body, verified: fill.verdict !== undefined };
  } catch (error) {
    signal.throwIfAborted();
    if (!(error instanceof CisternError)) throw error;
    return WRONG_BYTES.has(error.code) ? "damaged" : undefined;
  }
}

/** undefined: there are too many fills already, or the process ends. */
function start(begin: () => Fill): Fill | undefined {
  try {
    return begin();
  } catch (error) {
    if (!isCisternError(error, "too-busy") && !isCisternError(error, "shutting-down")) throw error;
    return undefined;
  }
}
