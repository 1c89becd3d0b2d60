import type { ObjectName } from "./content.ts";

/** A process of the deployment, as its heartbeats tell. */
export interface Replica {
  /** `<URL>#<boot id>`: names one process, never one that came before it at the same address. */
  readonly holder: string;
  readonly startedAt: Date;
  readonly seenAt: Date;
  /** As of its last heartbeat. */
  readonly report: ReplicaReport;
}

/** Names a replica, whichever process it is: the part of a holder before the boot id. */
export function placeOf(holder: string): string {
  return holder.split("#", 1)[0] ?? holder;
}

/** Used and allowed bytes of something. */
export interface TierUse {
  readonly used: number;
  readonly limit: number;
}

/** What a replica tells of itself with each heartbeat. */
export interface ReplicaReport {
  readonly spool?: TierUse;
  readonly hot?: TierUse;
  /** The fills that run there; whoever reads them parses them. */
  readonly fills?: readonly unknown[];
}

/** The replicas of a deployment: rows that each renews, judged by the database's clock alone. */
export interface Replicas {
  /**
   * Tells that this process lives and which objects its readers have open (eviction spares them).
   * Answers the database's time, milliseconds since the epoch. Forgets replicas not heard of for a day.
   */
  heartbeat(holder: string, open: readonly ObjectName[], report: ReplicaReport): Promise<number>;
  /** This process ends in an orderly way: its row goes. */
  leave(holder: string): Promise<void>;
  /** Those heard of within `milliseconds`. */
  alive(milliseconds: number): Promise<readonly Replica[]>;
}
