import { BlockCache } from "./cache/block-cache.ts";
import { BlockedContents } from "./cache/blocked-contents.ts";
import type { Evictor } from "./cache/evict.ts";
import { FailedFills } from "./cache/failed-fills.ts";
import { FillRegistry } from "./cache/fill-registry.ts";
import type { LiveCapacity } from "./cache/live-capacity.ts";
import { RunningFills } from "./cache/live-fills.ts";
import { BlobOpener } from "./cache/open-blob.ts";
import { OpenReaders } from "./cache/open-readers.ts";
import { PolicyInForce } from "./cache/policy-in-force.ts";
import { ProjectLimits } from "./cache/project-limits.ts";
import { ReadBudget } from "./cache/read-budget.ts";
import { ReadTimes } from "./cache/read-times.ts";
import { FillRelay } from "./cache/relay-host.ts";
import { Resolver } from "./cache/resolve.ts";
import { SourceHealth } from "./cache/source-health.ts";
import { Tombstones } from "./cache/tombstones.ts";
import { withdrawBlocked, withdrawDamaged } from "./cache/withdraw.ts";
import { composeCapacity, composeEvictor } from "./capacity.ts";
import type { Config } from "./config/config.ts";
import type { Clock } from "./domain/clock.ts";
import type { ObjectName } from "./domain/content.ts";
import { CisternError } from "./domain/errors.ts";
import type { Events } from "./domain/events.ts";
import type { Peers } from "./domain/peer.ts";
import type { Source } from "./domain/source.ts";
import type { Engine } from "./engine.ts";
import { parsePolicyText } from "./http/policy-body.ts";

const MIB = 1024 * 1024;
/** Bytes of admitted content that are kept in memory for the next reader, and of reads in flight. */
const MEMORY = { blocks: 64 * MIB, reads: 64 * MIB };

/** The read path: everything between a request for a blob and its bytes. */
export interface Reading {
  readonly opener: BlobOpener;
  readonly resolver: Resolver;
  readonly fills: FillRegistry;
  readonly live: RunningFills;
  readonly evictor: Evictor;
  /** The limits in force. */
  readonly capacity: LiveCapacity;
  readonly reads: ReadTimes;
  readonly tombstones: Tombstones;
  /** What quotas say of fills. */
  readonly projectLimits: ProjectLimits;
  readonly policy: PolicyInForce;
  /** What failed outside lately. */
  readonly health: SourceHealth;
  readonly blocked: BlockedContents;
  /** Takes back what was found damaged from whoever reads it here. */
  onDamaged(object: ObjectName): Promise<void>;
  /** What other replicas may read of the fills here. */
  readonly relay: FillRelay;
}

/** One process alone has nobody to read along with. */
const NOBODY: Pick<Peers, "relay"> = {
  relay: () => Promise.reject(new CisternError("peer-denied", "there are no other replicas")),
};

export interface ReadingParts {
  readonly engine: Engine;
  readonly source: Source;
  readonly events: Events;
  readonly peers: Pick<Peers, "relay"> | undefined;
  /** Its time of day is what all processes of the deployment agree on. */
  readonly clock: Clock;
  /** Every living process has told what its readers have open. */
  heard(): boolean;
}

/** Composes the read path; the stack ends its fills and writes what is noted. */
export function composeReading(config: Config, parts: ReadingParts, stack: AsyncDisposableStack): Reading {
  const { engine, source, events, peers = NOBODY, clock } = parts;
  const { store, hot, spool, hasher, holder, shared } = engine;
  const { blobs, contents, leases, ledger, graves } = engine.catalog;
  const resolver = new Resolver(blobs, clock);
  const readers = new OpenReaders();
  const blocked = new BlockedContents({
    blocks: engine.catalog.blocks,
    onBlocked: (sha256) => withdrawBlocked(sha256, { readers, fills }),
  });
  const tombstones = new Tombstones({ graves, events });
  const projectLimits = new ProjectLimits(engine.catalog.quotas);
  const capacity = composeCapacity(config, engine, events);
  const evictor = composeEvictor(engine, events, capacity, resolver, parts.heard);
  // A bucket has no disk of ours: there only the files in front of it can make room, for the spool.
  const freeDisk = async (bytes: number) => hot === undefined && (await evictor.free(bytes));
  spool.relieveBy(async (bytes) => (hot === undefined ? evictor.free(bytes) : (await hot.spare(bytes)) > 0));
  const health = new SourceHealth(clock);
  const outside = { source, peers, health };
  const inside = {
    store,
    hot,
    spool,
    hasher,
    blobs,
    contents,
    care: engine.catalog.care,
    inventory: engine.catalog.inventory,
    leases,
    holder,
    shared,
    room: evictor,
    freeDisk,
    blocked,
  };
  const fallback = config.policy.mode;
  const { policies } = engine.catalog;
  const policy = new PolicyInForce({ policies, events, clock, parse: parsePolicyText, fallback });
  const fills = new FillRegistry(
    {
      ...outside,
      ...inside,
      policy,
      clock,
      events,
      limits: () => ({ ...capacity.fills, ofProject: projectLimits.fills }),
    },
    tombstones,
    (fill) => {
      for (const { ref } of fill.records.values()) {
        resolver.forget(ref);
        // Known from now on, so that its next readers need no catalog. What fails here the next of them asks again.
        resolver.fresh(ref).catch(() => undefined);
      }
      failed.note(fill);
    },
  );
  capacity.onChange = () => fills.review();
  const live = new RunningFills({ fills, clock, holder });
  const failed = new FailedFills({ work: engine.catalog.fillWork, live, events });
  projectLimits.onChange = () => fills.review();
  stack.defer(() => fills.stop());
  const reads = new ReadTimes(clock);
  stack.defer(() => reads.flush(ledger));
  const budget = new ReadBudget(MEMORY.reads);
  const blocks = new BlockCache(MEMORY.blocks, budget);
  const { redirectHosts } = config.policy;
  const bytes = { store, hot, blocks, budget };
  const opener = new BlobOpener({
    ...bytes,
    resolver,
    fills,
    blobs,
    contents,
    source,
    tombstones,
    blocked,
    readers,
    reads,
    clock,
    policy,
    redirectHosts,
  });
  const withdrawing = { readers, fills, resolver, tombstones, memory: blocks, clock };
  const onDamaged = (object: ObjectName) => withdrawDamaged(object, withdrawing);
  return {
    opener,
    resolver,
    fills,
    live,
    evictor,
    capacity,
    reads,
    tombstones,
    projectLimits,
    policy,
    health,
    blocked,
    onDamaged,
    relay: new FillRelay(fills, budget),
  };
}
