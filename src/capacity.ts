import type { CapacityPorts } from "./artifact/capacity.ts";
import { applyCapacity } from "./cache/apply-capacity.ts";
import { Evictor } from "./cache/evict.ts";
import { LiveCapacity } from "./cache/live-capacity.ts";
import type { Resolver } from "./cache/resolve.ts";
import type { Config } from "./config/config.ts";
import type { Events } from "./domain/events.ts";
import type { Engine } from "./engine.ts";

/** A replica that was not heard of for so long is not shown. */
const ALIVE_MS = 60_000;

/** The limits in force in this process. */
export function composeCapacity(config: Config, { spool, hot, catalog }: Engine, events: Events): LiveCapacity {
  const { cacheBytes, spoolBytes } = config.limits;
  const hotBytes = config.kind === "cluster" ? config.limits.hotBytes : undefined;
  return new LiveCapacity({ capacity: catalog.capacity, spool, hot, events }, { cacheBytes, spoolBytes, hotBytes });
}

export function composeEvictor(
  engine: Engine,
  events: Events,
  capacity: LiveCapacity,
  resolver: Resolver,
  heard: () => boolean,
): Evictor {
  const { store, shared, open, catalog } = engine;
  const { space, contents } = catalog;
  const options = {
    configured: capacity.configured.cacheBytes,
    limit: () => capacity.cacheBytes,
    open: () => open.list(),
    shared,
    heard,
  };
  const evictor = new Evictor({ space, contents, store, events }, options, (evicted) => {
    for (const { object } of evicted) resolver.forgetContent(object.sha256);
  });
  // Among others heartbeats tell when the last reader of all has left it.
  if (!shared) open.onLeft = (object) => void evictor.left(object);
  return evictor;
}

/** What operators do with the limits. */
export function capacityPorts(
  { catalog, shared, holder, spool }: Engine,
  reading: { readonly capacity: LiveCapacity; readonly evictor: Evictor },
  events: Events,
): Omit<CapacityPorts, "audit"> {
  const startedAt = new Date();
  return {
    capacity: catalog.capacity,
    configured: reading.capacity.configured,
    alone: !shared,
    replicas: async () => {
      if (shared) return catalog.replicas.alive(ALIVE_MS);
      return [{ holder, startedAt, seenAt: new Date(), report: { spool: spool.use } }];
    },
    async onCapacityChanged() {
      await reading.capacity.hear();
      void applyCapacity({ ...reading, events });
    },
  };
}
