import type { ResolvedBlob } from "../../domain/blob.ts";
import type { BlobCatalog } from "../../domain/blob-catalog.ts";
import type { ObjectName } from "../../domain/content.ts";
import type { ContentCare, ScrubItem } from "../../domain/content-care.ts";
import type { ContentLedger } from "../../domain/content-catalog.ts";
import type { ContentInventory } from "../../domain/content-inventory.ts";
import type { ContentStore, StoredObject } from "../../domain/content-store.ts";
import { CisternError } from "../../domain/errors.ts";
import type { Events } from "../../domain/events.ts";
import type { Hasher } from "../../domain/hasher.ts";
import type { HotTier } from "../../domain/hot-tier.ts";
import type { NotedSpool } from "../copy-contents.ts";
import { digestObject } from "../digest-object.ts";
import type { FillRegistry } from "../fill-registry.ts";

export interface HealPorts {
  readonly store: Pick<ContentStore, "open" | "stage" | "remove">;
  /** undefined: there is no other tier. */
  readonly hot: HotTier | undefined;
  readonly care: Pick<ContentCare, "release">;
  readonly inventory: Pick<ContentInventory, "find" | "referrers">;
  readonly blobs: Pick<BlobCatalog, "resolve">;
  readonly ledger: Pick<ContentLedger, "nextFence">;
  readonly fills: Pick<FillRegistry, "find" | "start" | "ended">;
  readonly hasher: Hasher;
  readonly events: Events;
  spoolOf(object: StoredObject, onRead: (end: number) => void): NotedSpool;
}

/** `store`: what lies there is as admitted after all. */
export type HealedFrom = "store" | "hot" | "origin" | "nothing";

/** Records whose locations are tried. */
const LOCATIONS = 20;

/** Makes quarantined content whole: from the local copy, else by fetching it anew. */
export class Healer {
  readonly #ports: HealPorts;

  constructor(ports: HealPorts) {
    this.#ports = ports;
  }

  async heal(item: ScrubItem, signal: AbortSignal): Promise<HealedFrom> {
    const from = (await this.fromHot(item, signal)) ? "hot" : await this.#fromOutside(item, signal);
    if (from !== "nothing") this.#ports.events.emit({ kind: "content-healed", sha256: item.object.sha256, from });
    return from;
  }

  /**
   * By looking again at what the store has: a disk or a bucket that was away, or gave back other bytes for a
   * while, is no reason to keep from everybody what nothing else has (I7).
   */
  async inPlace({ object, size }: ScrubItem, signal: AbortSignal): Promise<boolean> {
    const { hasher, store, care, events } = this.#ports;
    await using stored = await store.open(object, size);
    if (stored === undefined) return false;
    const { sha256 } = await digestObject(stored, hasher.start([]), () => undefined, signal);
    if (sha256 !== object.sha256 || !(await care.release(object, object.fence))) return false;
    events.emit({ kind: "content-healed", sha256, from: "store" });
    return true;
  }

  /** From this replica's own copy, which is read and compared before. */
  async fromHot({ object, size }: ScrubItem, signal: AbortSignal): Promise<boolean> {
    const { hot, hasher, ledger, store, care } = this.#ports;
    await using copy = await hot?.open(object, size);
    if (copy === undefined) return false;
    await using spool = this.#ports.spoolOf(copy, () => undefined);
    const { sha256 } = await digestObject(copy, hasher.start([]), (piece) => spool.note(piece), signal);
    if (sha256 !== object.sha256) return false;
    const healed: ObjectName = { sha256, fence: await ledger.nextFence() };
    await using staging = store.stage(healed, spool, size);
    staging.advance(size);
    await staging.commit(signal);
    const mine = await care.release(object, healed.fence);
    // Another replica was first, or the content has gone meanwhile.
    await this.#drop(mine ? object : healed);
    return mine || (await this.#isWhole(object));
  }

  /** By a fill of one of its records, from wherever that finds the bytes. */
  async #fromOutside({ object }: ScrubItem, signal: AbortSignal): Promise<HealedFrom> {
    const { inventory, blobs } = this.#ports;
    for (const { artifactId, field, key, internal } of await inventory.referrers(object.sha256, LOCATIONS)) {
      if (internal) continue;
      signal.throwIfAborted();
      const resolved = await blobs.resolve({ artifactId, field, key });
      if (resolved?.blob.location?.kind === "external") await this.#fetch(resolved, signal);
      if (!(await this.#isWhole(object))) continue;
      await this.#drop(object);
      return "origin";
    }
    return "nothing";
  }

  /** What it fails with, the fill itself tells. */
  async #fetch(resolved: ResolvedBlob, signal: AbortSignal): Promise<void> {
    if (resolved.content !== undefined) return;
    const { fills } = this.#ports;
    try {
      const fill = fills.find(resolved, 0, false) ?? fills.start(resolved, true, undefined, false);
      await unlessAborted(fills.ended(fill), signal);
    } catch (error) {
      signal.throwIfAborted();
      if (!(error instanceof CisternError)) throw error;
    }
  }

  async #isWhole({ sha256, fence }: ObjectName): Promise<boolean> {
    const now = await this.#ports.inventory.find(sha256);
    return now?.state === "admitted" && now.object.fence !== fence;
  }

  /** No row names it any more. A store or a disk that fails keeps it, which harms nobody. */
  async #drop(object: ObjectName): Promise<void> {
    const { store, hot, events } = this.#ports;
    try {
      await store.remove(object);
      await hot?.remove(object);
    } catch (cause) {
      if (!(cause instanceof CisternError)) throw cause;
      events.emit({ kind: "degraded", part: "store", cause });
    }
  }
}

function unlessAborted(work: Promise<void>, signal: AbortSignal): Promise<void> {
  const { promise, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener("abort", onAbort, { once: true });
  return Promise.race([work, promise]).finally(() => signal.removeEventListener("abort", onAbort));
}
