import { applyCapacity } from "./cache/apply-capacity.ts";
import type { BlockedContents } from "./cache/blocked-contents.ts";
import { applyChange } from "./cache/catalog-watch.ts";
import { DatabaseClock } from "./cache/database-clock.ts";
import type { Evictor } from "./cache/evict.ts";
import type { FillRegistry } from "./cache/fill-registry.ts";
import type { LiveCapacity } from "./cache/live-capacity.ts";
import type { PolicyInForce } from "./cache/policy-in-force.ts";
import type { Resolver } from "./cache/resolve.ts";
import type { Tombstones } from "./cache/tombstones.ts";
import type { ClusterConfig } from "./config/config.ts";
import type { Clock } from "./domain/clock.ts";
import type { ObjectName } from "./domain/content.ts";
import type { Sha256 } from "./domain/digest.ts";
import type { Events } from "./domain/events.ts";
import type { PeerCredentials, Peers } from "./domain/peer.ts";
import type { ReplicaReport } from "./domain/replica.ts";
import type { Engine } from "./engine.ts";
import type { Authenticator } from "./http/authenticate.ts";
import type { Job } from "./jobs/schedule.ts";
import { HttpPeers, PEER_DEFAULTS } from "./origin/peer/http-peers.ts";
import { SharedSecret } from "./origin/peer/shared-secret.ts";
import { systemClock } from "./telemetry/system-clock.ts";

const HEARTBEAT_MS = 5_000;

/** How this process speaks with the other replicas. */
export interface Membership {
  readonly peers: Peers;
  readonly credentials: PeerCredentials;
  readonly clock: DatabaseClock;
}

/** Joins the deployment: from now on the others know of this process. */
export async function joinCluster(
  config: ClusterConfig,
  engine: Engine,
  stack: AsyncDisposableStack,
): Promise<Membership> {
  const clock = new DatabaseClock(systemClock);
  await beat(engine, clock, {});
  stack.defer(() => leave(engine));
  const credentials = new SharedSecret(config.replica.secret, () => clock.now());
  const peers = stack.use(new HttpPeers(PEER_DEFAULTS, { credentials, monotonic: systemClock.monotonic }));
  return { peers, credentials, clock };
}

/** Time as all processes of the deployment agree on it: the wall clock of this machine may be wrong. */
export function deploymentClock(membership: Membership | undefined): Clock {
  if (membership === undefined) return systemClock;
  return { ...systemClock, now: () => new Date(membership.clock.now()) };
}

/** Heartbeats: the others learn that this process lives, and it learns the database's time. */
export function heartbeatJob(engine: Engine, clock: DatabaseClock, report: () => ReplicaReport): Job {
  return { name: "heartbeat", everyMs: HEARTBEAT_MS, run: () => beat(engine, clock, report()) };
}

async function beat(engine: Engine, clock: DatabaseClock, fills: ReplicaReport): Promise<void> {
  const { catalog, holder, open, spool, hot } = engine;
  const report = { ...fills, spool: spool.use, ...(hot === undefined ? {} : { hot: hot.use }) };
  clock.told(await catalog.replicas.heartbeat(holder, open.list(), report));
}

/** In an orderly end what this process held is free at once; else it runs out. */
async function leave({ catalog, holder }: Engine): Promise<void> {
  const { leases, space, replicas } = catalog;
  await Promise.allSettled([leases.releaseAll(holder), space.releaseAll(holder), replicas.leave(holder)]);
}

/** Applies here what other processes commit. */
export async function watchCatalog(
  engine: Engine,
  parts: {
    readonly resolver: Resolver;
    readonly fills: FillRegistry;
    readonly tombstones: Tombstones;
    readonly capacity: LiveCapacity;
    readonly evictor: Evictor;
    readonly policy: PolicyInForce;
    readonly blocked: BlockedContents;
    onDamaged(object: ObjectName): Promise<void>;
    readonly authenticator: Authenticator;
    readonly events: Events;
    /** The queue of fills has something to do, or something to stop. */
    onFill(): void;
  },
  stack: AsyncDisposableStack,
): Promise<void> {
  const { tombstones, blocked, authenticator, events, capacity } = parts;
  const inDoubt = (part: "catalog" | "hot") => (cause: unknown) => events.emit({ kind: "degraded", part, cause });
  const ports = {
    ...parts,
    forgetToken: authenticator.forget.bind(authenticator),
    onCapacity: () => void applyCapacity(parts),
    onGone: (object: ObjectName) => void engine.hot?.remove(object).catch(inDoubt("hot")),
    onDamaged: (object: ObjectName) => void parts.onDamaged(object).catch(inDoubt("catalog")),
    onBlock: (sha256: Sha256) => void blocked.look(sha256).catch(inDoubt("catalog")),
    onUnknown: () => {
      void capacity.hear();
      tombstones.load().catch(inDoubt("catalog"));
      blocked.load().catch(inDoubt("catalog"));
    },
  };
  stack.use(await engine.catalog.changes.listen((change) => applyChange(change, ports)));
}
