import { isCisternError } from "../domain/errors.ts";
import type { Peers } from "../domain/peer.ts";
import { mergeAskers, type RecentAsker } from "../domain/recent-asker.ts";
import type { Replicas } from "../domain/replica.ts";
import type { RecentAskers } from "./recent-askers.ts";

export interface FleetPorts {
  /** Who has asked this process. */
  readonly own: Pick<RecentAskers, "list">;
  /** undefined: this process is the whole deployment. */
  readonly others: OtherReplicas | undefined;
}

export interface OtherReplicas {
  readonly replicas: Pick<Replicas, "alive">;
  readonly peers: Pick<Peers, "askers">;
  /** This process, as its heartbeats name it. */
  readonly self: string;
}

/** Who has asked any replica lately, each client once. */
export interface FleetAskers {
  readonly askers: readonly RecentAsker[];
  /** Holders that may know of others, and did not answer in time. */
  readonly unheard: readonly string[];
}

/** Not heard of for longer, a replica is taken for gone. */
const LIVE_MS = 60_000;
/** For all answers together: they are asked at the same time. */
const HEAR_MS = 2_000;

/** Asks all replicas that live. One that does not answer is named; it fails nothing. */
export async function fleetAskers({ own, others }: FleetPorts, signal: AbortSignal): Promise<FleetAskers> {
  const heard = others === undefined ? [] : await hearAll(others, signal);
  return {
    askers: mergeAskers([...own.list(), ...heard.flatMap(({ askers = [] }) => askers)]),
    unheard: heard.filter(({ askers }) => askers === undefined).map(({ holder }) => holder),
  };
}

async function hearAll({ replicas, peers, self }: OtherReplicas, signal: AbortSignal) {
  const others = (await replicas.alive(LIVE_MS)).filter(({ holder }) => holder !== self);
  const late = AbortSignal.any([signal, AbortSignal.timeout(HEAR_MS)]);
  const heard = await Promise.all(
    others.map(async ({ holder }) => ({ holder, askers: await hear(peers, holder, late) })),
  );
  signal.throwIfAborted();
  return heard;
}

async function hear(peers: Pick<Peers, "askers">, holder: string, signal: AbortSignal) {
  try {
    return await peers.askers(holder, signal);
  } catch (error) {
    // Another process is at its address: what it knew is gone with it.
    if (isCisternError(error, "peer-denied")) return [];
    if (signal.aborted || isCisternError(error, "peer-unreachable")) return undefined;
    throw error;
  }
}
