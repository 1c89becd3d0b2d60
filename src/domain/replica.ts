import type { ObjectName } from "./content.ts";

/** A process of the deployment, as its heartbeats tell. */
export interface Replica {
  /** `<URL>#<boot id>`: names one process, never one that came before it at the same address. */
  readonly holder: string;
  readonly startedAt: Date;
  readonly seenAt: Date;
}

/** The replicas of a deployment: rows that each renews, judged by the database's clock alone. */
export interface Replicas {
  /**
   * Tells that this process lives and which objects its readers have open (eviction spares them).
   * Answers the database's time, milliseconds since the epoch. Forgets replicas not heard of for a day.
   */
  heartbeat(holder: string, open: readonly ObjectName[]): Promise<number>;
  /** This process ends in an orderly way: its row goes. */
  leave(holder: string): Promise<void>;
  /** Those heard of within `milliseconds`. */
  alive(milliseconds: number): Promise<readonly Replica[]>;
}
