import type { BlobCatalog } from "../domain/blob-catalog.ts";
import type { ContentRecord } from "../domain/content.ts";
import type { ContentCare } from "../domain/content-care.ts";
import type { ContentCatalog } from "../domain/content-catalog.ts";
import type { ContentStore } from "../domain/content-store.ts";
import { CisternError, isCisternError } from "../domain/errors.ts";
import type { Fill } from "./fill.ts";
import type { Verdict } from "./fill-plan.ts";
import type { Ingest } from "./ingest.ts";
import { type HotPorts, keepHot } from "./keep-hot.ts";
import { foundIn, WRONG_BYTES } from "./verify-fill.ts";

export interface StoreFillPorts extends HotPorts {
  readonly store: ContentStore;
  readonly blobs: BlobCatalog;
  readonly contents: ContentCatalog;
  readonly care: Pick<ContentCare, "quarantine">;
  /** Other processes write the catalog as well. */
  readonly shared: boolean;
}

const READ = 1024 * 1024;

/**
 * Brings admitted content from a store that is far into the hot tier: once for all who ask here,
 * and verified again. It needs no lease, for it writes nothing that others see.
 */
export async function fillFromStore(
  fill: Fill,
  ingest: Ingest,
  ports: StoreFillPorts,
  content: ContentRecord,
): Promise<void> {
  // What was spooled before came from elsewhere: it may be wrong although the object is right.
  const whole = fill.mark === 0;
  // Nobody has been given any of it yet: whoever waits looks again, and finds the content.
  if (!whole && !fill.opened) throw new CisternError("content-changed", "the content was fetched elsewhere meanwhile");
  await copyFromStore(fill, ingest, ports, content);
  const verdict = await judge(fill, ingest, ports, content, whole);
  fill.pass(verdict);
  const file = await ingest.seal();
  if (file !== undefined) await keepHot(ports, content.object, file, content.size);
}

/** Content that was admitted between the look that found none and the lease that was taken since. */
export async function admittedMeanwhile(fill: Fill, ports: StoreFillPorts): Promise<ContentRecord | undefined> {
  // In one process nothing comes between; and what goes round the store wants nothing from it.
  if (!ports.shared || fill.plan.around !== undefined) return undefined;
  for (const { ref, blob } of fill.records.values()) {
    const resolved = await ports.blobs.resolve(ref);
    if (resolved?.content !== undefined) return resolved.content;
    if (resolved?.admittedElsewhere === true && (await ports.blobs.joinContent(blob))) {
      return (await ports.blobs.resolve(ref))?.content;
    }
    return undefined;
  }
  return undefined;
}

async function copyFromStore(
  fill: Fill,
  ingest: Ingest,
  ports: StoreFillPorts,
  { object, size }: ContentRecord,
): Promise<void> {
  await using stored = await ports.store.open(object, size);
  if (stored === undefined) throw new CisternError("content-changed", "the content went while it was asked for");
  fill.open(size);
  while (fill.mark < size) {
    fill.abort.signal.throwIfAborted();
    const buffer = Buffer.allocUnsafeSlow(Math.min(READ, size - fill.mark));
    const read = await stored.read(buffer, fill.mark);
    if (read === 0) throw new CisternError("store-unavailable", "stored content is shorter than recorded");
    const wait = ingest.take(read === buffer.length ? buffer : buffer.subarray(0, read));
    if (wait !== undefined) await wait;
  }
}

/** Bytes that are not what was admitted are never served again: external content is fetched anew. */
async function judge(
  fill: Fill,
  ingest: Ingest,
  ports: StoreFillPorts,
  content: ContentRecord,
  whole: boolean,
): Promise<Verdict> {
  try {
    return await foundIn(fill, ingest, content);
  } catch (error) {
    if (!(error instanceof CisternError) || !WRONG_BYTES.has(error.code)) throw error;
    if (whole) await condemnDamaged(ports, content, error);
    throw error;
  }
}

/** What is uploaded waits for a copy that is whole. A catalog that is away is no reason to tell the readers anything else than that the bytes are wrong. */
async function condemnDamaged(ports: StoreFillPorts, { object }: ContentRecord, cause: CisternError): Promise<void> {
  ports.events.emit({ kind: "degraded", part: "store", cause });
  try {
    if (!(await ports.contents.condemn(object))) await ports.care.quarantine(object);
  } catch (error) {
    if (!isCisternError(error, "catalog-unavailable")) throw error;
    ports.events.emit({ kind: "degraded", part: "catalog", cause: error });
  }
}
