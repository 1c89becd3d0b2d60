import type { Fence, ObjectName } from "../domain/content.ts";
import type { ContentLedger, ContentRecovery } from "../domain/content-catalog.ts";
import type { ContentStore } from "../domain/content-store.ts";
import { ALGORITHMS, type Sha256 } from "../domain/digest.ts";
import type { Hasher } from "../domain/hasher.ts";
import { digestObject } from "./digest-object.ts";
import { inParallel } from "./in-parallel.ts";

export interface RebuildPorts {
  readonly store: Pick<ContentStore, "open" | "list">;
  readonly ledger: Pick<ContentLedger, "generation">;
  readonly recovery: ContentRecovery;
  readonly hasher: Hasher;
  /** Bytes of an object; undefined: certainly absent. `store-unavailable`. */
  sizeOf(object: ObjectName, signal: AbortSignal): Promise<number | undefined>;
}

/** Objects that lie in a store, by their content. */
export interface Found {
  /** Generations of each content, the newest first. */
  readonly contents: ReadonlyMap<Sha256, readonly Fence[]>;
  readonly highest: Fence;
}

/** What became of one content: it has a row now; it had one; or no object of it has the bytes that its name says. */
export type RebuildOutcome = "restored" | "recorded" | "damaged";

export interface RebuildWatcher {
  /** Bytes that were read. */
  read(bytes: number): void;
  done(sha256: Sha256, outcome: RebuildOutcome, size: number | undefined): void;
}

/** Objects that are read at the same time. */
const READERS = 4;

export async function findObjects(store: Pick<ContentStore, "list">, signal: AbortSignal): Promise<Found> {
  const contents = new Map<Sha256, Fence[]>();
  let highest = 0 as Fence;
  for await (const { sha256, fence } of store.list(signal)) {
    const fences = contents.get(sha256);
    if (fences === undefined) contents.set(sha256, [fence]);
    else fences.push(fence);
    if (fence > highest) highest = fence;
  }
  for (const fences of contents.values()) fences.sort((one, other) => other - one);
  return { contents, highest };
}

/**
 * Writes the rows of contents whose catalog is lost, by reading each object once. No record earns
 * anything by it (I6): what asks for the content has to deliver it once more, and joins it then.
 * An object that does not have the bytes that its name says is left alone.
 */
export async function rebuildContents(
  { contents, highest }: Found,
  ports: RebuildPorts,
  watcher: RebuildWatcher,
  signal: AbortSignal,
): Promise<void> {
  await ports.recovery.raiseFence(highest);
  const run = async ([sha256, fences]: readonly [Sha256, readonly Fence[]], ending: AbortSignal) => {
    if ((await ports.ledger.generation(sha256)) !== undefined) {
      watcher.done(sha256, "recorded", undefined);
      return;
    }
    for (const fence of fences) {
      const size = await restore({ sha256, fence }, ports, watcher, ending);
      if (size === undefined) continue;
      watcher.done(sha256, "restored", size);
      return;
    }
    watcher.done(sha256, "damaged", undefined);
  };
  await inParallel(contents, READERS, run, signal);
}

/** Bytes of the object whose row was written; undefined: this one will not do. */
async function restore(
  object: ObjectName,
  ports: RebuildPorts,
  watcher: RebuildWatcher,
  signal: AbortSignal,
): Promise<number | undefined> {
  const size = await ports.sizeOf(object, signal);
  if (size === undefined) return undefined;
  await using opened = await ports.store.open(object, size);
  if (opened === undefined) return undefined;
  const onPiece = (piece: Uint8Array) => watcher.read(piece.length);
  const digests = await digestObject(opened, ports.hasher.start(ALGORITHMS), onPiece, signal);
  if (digests.sha256 !== object.sha256) return undefined;
  return (await ports.recovery.restore(object, digests, size)) ? size : undefined;
}
