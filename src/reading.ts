import { BlockCache } from "./cache/block-cache.ts";
import { Evictor } from "./cache/evict.ts";
import { FillRegistry } from "./cache/fill-registry.ts";
import { LiveCapacity } from "./cache/live-capacity.ts";
import { BlobOpener } from "./cache/open-blob.ts";
import { ReadBudget } from "./cache/read-budget.ts";
import { ReadTimes } from "./cache/read-times.ts";
import { FillRelay } from "./cache/relay-host.ts";
import { Resolver } from "./cache/resolve.ts";
import { SourceHealth } from "./cache/source-health.ts";
import { Tombstones } from "./cache/tombstones.ts";
import type { Config } from "./config/config.ts";
import type { Clock } from "./domain/clock.ts";
import { CisternError } from "./domain/errors.ts";
import type { Events } from "./domain/events.ts";
import type { Peers } from "./domain/peer.ts";
import type { Source } from "./domain/source.ts";
import type { Engine } from "./engine.ts";

const MIB = 1024 * 1024;
/** Bytes of admitted content that are kept in memory for the next reader, and of reads in flight. */
const MEMORY = { blocks: 64 * MIB, reads: 64 * MIB };

/** The read path: everything between a request for a blob and its bytes. */
export interface Reading {
  readonly opener: BlobOpener;
  readonly resolver: Resolver;
  readonly fills: FillRegistry;
  readonly evictor: Evictor;
  /** The limits in force. */
  readonly capacity: LiveCapacity;
  readonly reads: ReadTimes;
  readonly tombstones: Tombstones;
  /** What other replicas may read of the fills here. */
  readonly relay: FillRelay;
}

/** One process alone has nobody to read along with. */
const NOBODY: Peers = {
  relay: () => Promise.reject(new CisternError("peer-denied", "there are no other replicas")),
};

export interface ReadingParts {
  readonly engine: Engine;
  readonly source: Source;
  readonly events: Events;
  readonly peers: Peers | undefined;
  /** Its time of day is what all processes of the deployment agree on. */
  readonly clock: Clock;
}

/** Composes the read path; the stack ends its fills and writes what is noted. */
export function composeReading(config: Config, parts: ReadingParts, stack: AsyncDisposableStack): Reading {
  const { engine, source, events, peers = NOBODY, clock } = parts;
  const { store, hot, spool, hasher, holder, shared } = engine;
  const { blobs, contents, leases, ledger, graves } = engine.catalog;
  const resolver = new Resolver(blobs, clock);
  const tombstones = new Tombstones({ graves, events });
  const capacity = composeCapacity(config, parts);
  const evictor = composeEvictor(parts, capacity, resolver);
  // A bucket has no disk of ours: there only the files in front of it can make room, for the spool.
  const freeDisk = async (bytes: number) => hot === undefined && (await evictor.free(bytes));
  spool.relieveBy(async (bytes) => (hot === undefined ? evictor.free(bytes) : (await hot.spare(bytes)) > 0));
  const outside = { source, peers, health: new SourceHealth(clock) };
  const inside = { store, hot, spool, hasher, blobs, contents, leases, holder, shared, room: evictor, freeDisk };
  const fills = new FillRegistry({ ...outside, ...inside, clock, events }, tombstones, (fill) => {
    for (const { ref } of fill.records.values()) {
      resolver.forget(ref);
      // Known from now on, so that its next readers need no catalog. What fails here the next of them asks again.
      resolver.fresh(ref).catch(() => undefined);
    }
  });
  stack.defer(() => fills.stop());
  const reads = new ReadTimes(clock);
  stack.defer(() => reads.flush(ledger));
  const budget = new ReadBudget(MEMORY.reads);
  const blocks = new BlockCache(MEMORY.blocks, budget);
  const { policy } = config;
  const bytes = { store, hot, blocks, budget };
  const opener = new BlobOpener({
    ...bytes,
    resolver,
    fills,
    blobs,
    contents,
    source,
    tombstones,
    reads,
    clock,
    policy,
  });
  return { opener, resolver, fills, evictor, capacity, reads, tombstones, relay: new FillRelay(fills, budget) };
}

function composeCapacity({ limits, ...config }: Config, { engine, events }: ReadingParts): LiveCapacity {
  const { spool, hot, catalog } = engine;
  const { cacheBytes, spoolBytes } = limits;
  const hotBytes = config.kind === "cluster" && "hotBytes" in limits ? limits.hotBytes : undefined;
  return new LiveCapacity({ capacity: catalog.capacity, spool, hot, events }, { cacheBytes, spoolBytes, hotBytes });
}

function composeEvictor({ engine, events }: ReadingParts, capacity: LiveCapacity, resolver: Resolver): Evictor {
  const { store, shared, open, catalog } = engine;
  const { space, contents } = catalog;
  const options = {
    configured: capacity.configured.cacheBytes,
    limit: () => capacity.cacheBytes,
    open: () => open.list(),
    shared,
  };
  const evictor = new Evictor({ space, contents, store, events }, options, (evicted) => {
    for (const { object } of evicted) resolver.forgetContent(object.sha256);
  });
  // Among others heartbeats tell when the last reader of all has left it.
  if (!shared) open.onLeft = (object) => void evictor.left(object);
  return evictor;
}
