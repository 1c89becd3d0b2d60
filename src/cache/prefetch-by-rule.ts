import { randomUUID } from "node:crypto";
import type { Artifact, ArtifactId } from "../domain/artifact.ts";
import type { BlobRecord, ResolvedBlob } from "../domain/blob.ts";
import type { BlobSearch } from "../domain/blob-search.ts";
import type { Clock } from "../domain/clock.ts";
import { type FetchWindow, nextStart } from "../domain/fetch-window.ts";
import { type FillId, type NewFill, PRIORITIES } from "../domain/fill-entry.ts";
import type { FillQueue } from "../domain/fill-queue.ts";
import { prefetchable, prefetchOf } from "../domain/prefetchable.ts";
import type { PrefetchRules } from "./prefetch.ts";

export interface RuledPrefetchPorts {
  readonly queue: FillQueue;
  readonly search: BlobSearch;
  readonly rules: PrefetchRules;
  readonly clock: Clock;
  /** Told when there is something to do. */
  onFill(): void;
}

const PAGE = 200;

/** A location was registered: queues what a rule wants of it, now or in its window. Answers whether it did. */
export async function prefetchRegistered(resolved: ResolvedBlob, ports: RuledPrefetchPorts): Promise<boolean> {
  const { artifact, blob, content } = resolved;
  if (content !== undefined || blob.location?.kind !== "external" || !isMain(artifact, blob)) return false;
  const when = ports.rules.prefetch(resolved);
  if (when === undefined) return false;
  const start = when === "on-register" ? undefined : nextStart(when, ports.clock.now());
  if (when !== "on-register" && start === undefined) return false;
  const wish = { priority: PRIORITIES.normal, askedBy: "", via: "register" as const, notBefore: start };
  await ports.queue.add(prefetchOf(randomUUID() as FillId, artifact, blob, wish));
  ports.onFill();
  return true;
}

/**
 * Queues what rules want to be fetched in windows that are open now, and what is not here. Answers
 * how many were queued.
 */
export async function prefetchInWindows(ports: RuledPrefetchPorts, signal: AbortSignal): Promise<number> {
  let queued = 0;
  for (let after: ArtifactId | undefined; ; ) {
    signal.throwIfAborted();
    const page = await ports.search.uncached(after, PAGE);
    const wanted = page.flatMap((artifact) => windowed(artifact, ports));
    queued += await ports.queue.addMissing(wanted);
    after = page.at(-1)?.id;
    if (page.length < PAGE || after === undefined) break;
  }
  if (queued > 0) ports.onFill();
  return queued;
}

function windowed(artifact: Artifact, { rules, clock }: RuledPrefetchPorts): readonly NewFill[] {
  const wish = { priority: PRIORITIES.low, askedBy: "", via: "window" as const };
  return prefetchable(artifact).flatMap((blob) => {
    const when = rules.prefetch({ artifact, blob });
    return when === undefined || when === "on-register" || !isOpen(when, clock.now())
      ? []
      : [prefetchOf(randomUUID() as FillId, artifact, blob, wish)];
  });
}

/** True while something of the window is left. */
function isOpen(window: FetchWindow, now: Date): boolean {
  return nextStart(window, now)?.getTime() === now.getTime();
}

/** Not a mirror of another blob. */
function isMain(artifact: ResolvedBlob["artifact"], blob: BlobRecord): boolean {
  return prefetchable({ ...artifact, blobs: [blob] }).length > 0;
}
