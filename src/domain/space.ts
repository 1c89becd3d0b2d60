import type { Fence, ObjectName } from "./content.ts";

/** Who asks for room in the store, and on whose account. */
export interface SpaceClaim {
  /** Names what the room is for: one fill or upload has one reservation, however often it changes hands. */
  readonly key: string;
  /** The generation that the object will have; of two that claim one key the greater counts. */
  readonly fence: Fence;
  /** The process: when it is dead, so are its reservations. */
  readonly holder: string;
  /** Whose record caused it; empty: nobody's. */
  readonly project: string;
  /** Host (and port) that delivers; empty: nobody outside. */
  readonly origin: string;
}

/** What the catalog cannot know by itself. */
export interface SpaceSetting {
  /** Bytes of the store's limit when no operator has set one. */
  readonly configured: number;
  /** Objects that readers of this process have open; those of other processes heartbeats tell. */
  readonly open: readonly ObjectName[];
}

/** A content that was condemned to make room. */
export interface Evicted {
  readonly object: ObjectName;
  /** Bytes. */
  readonly size: number;
}

export interface SpaceAnswer {
  readonly outcome: /** So many bytes are reserved. */
    | "granted"
    /** Room is being made: remove what is condemned, and ask again. */
    | "going"
    /** There is no room to be had without touching what must stay; what was reserved before stays reserved. */
    | "full"
    /** Another process has taken over what the room is for. */
    | "lost";
  /** What was condemned for it: whether room came of it or not, it is on its way out. */
  readonly evicted: readonly Evicted[];
}

/** Bytes and number of something. */
export interface EvictedPage {
  readonly evicted: readonly Evicted[];
  /** There is more to do, and it can be done. */
  readonly more: boolean;
}

/**
 * The ledger of the store's room (I9): used and reserved bytes together never exceed the limit by
 * anything that was reserved here. Every call is one short transaction under one lock of the
 * deployment: so there is one evictor at a time. What readers have open is never chosen, what they
 * still read of condemned content counts as used.
 */
export interface SpaceLedger {
  /**
   * Sets what is reserved under the claim's key to `bytes`, more or fewer than before. When there is
   * no room, what is worth least for its size goes first; whoever would occupy more than its share
   * makes room among its own. An admission under the claim's fence turns the reservation into content.
   */
  reserve(claim: SpaceClaim, bytes: number, setting: SpaceSetting): Promise<SpaceAnswer>;
  /** What `reserve` would answer now, by trying it and taking it back: nothing is reserved, and nothing condemned. */
  foresee(claim: SpaceClaim, bytes: number, setting: SpaceSetting): Promise<SpaceAnswer["outcome"]>;
  /** Gives back what is reserved under this fence; nothing is no error. */
  release(fence: Fence): Promise<void>;
  /** Gives back what this process has reserved: it ends, or has just begun. */
  releaseAll(holder: string): Promise<void>;
  /** Gives back what processes have reserved that were not heard of for a minute; answers how many reservations. */
  releaseDead(): Promise<number>;
  /** Evicts one page of contents that have so many bytes together, or as many as there are. */
  evict(bytes: number, setting: SpaceSetting): Promise<EvictedPage>;
  /**
   * Evicts one page of what is too old, and down to the low watermark when use is above the high one.
   * @param going it was found above the high one before, and has not come down to the low one yet
   */
  evictDown(going: boolean, setting: SpaceSetting): Promise<EvictedPage>;
}

/** How a reservation was answered by whoever makes room for it. */
export type Reserved = Exclude<SpaceAnswer["outcome"], "going">;

/** Room in the store, with all that has to be done to have it. */
export interface Room {
  /**
   * Sets what is reserved under the claim's key to `bytes`; what has to go for it is gone when it
   * resolves. It never waits for others to give something back.
   */
  reserve(claim: SpaceClaim, bytes: number): Promise<Reserved>;
  /** Whether `reserve` would have room for them now; nothing is reserved, and nothing goes for it. */
  has(claim: SpaceClaim, bytes: number): Promise<boolean>;
  /** Gives back what is reserved under this fence, later when the catalog is away; it does not reject. */
  release(fence: Fence): Promise<void>;
  /** Whether so many bytes could ever have room: they are within the limit. */
  fits(bytes: number): boolean;
  /** Bytes to reserve at a time when nobody knows how many will come. */
  readonly step: number;
}
