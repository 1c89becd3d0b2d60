import type { Fence } from "./content.ts";
import type { Sha256 } from "./digest.ts";
import type { RecentAsker } from "./recent-asker.ts";
import type { Validator } from "./source.ts";

/** What is asked of the replica that holds a lease: its fill's bytes, from an offset on. */
export interface RelayRequest {
  /** As the lease names it: `<replica's URL>#<boot id>`. */
  readonly holder: string;
  /** The lease's key. */
  readonly key: string;
  readonly fence: Fence;
  /** Byte to begin with; it may lie beyond what the holder has so far. */
  readonly offset: number;
  /** Whoever asks would have the content kept. */
  readonly keep: boolean;
}

/** What the holder's verdict found. */
export interface RelayVerdict {
  readonly sha256: Sha256;
  /** Bytes of the whole. */
  readonly size: number;
}

export interface RelayAnswer {
  /** The location whose bytes these are, secrets included: replicas share them. */
  readonly url: string;
  readonly validator: Validator | undefined;
  /** Bytes of the whole as recorded or announced, when known. */
  readonly total: number | undefined;
  /**
   * The bytes from `offset` on, back-pressured. It ends normally only after the holder's verdict has
   * passed. Throws `peer-unreachable` when the connection breaks or stalls, and the holder's own
   * failure (`digest-mismatch`, `origin-failed`, `shutting-down`, …) when its fill failed.
   * Leaving the loop closes the connection.
   */
  readonly body: AsyncIterable<Uint8Array>;
  /** After the body's end: what the holder found. */
  verdict(): RelayVerdict;
}

/** The other replicas. */
export interface Peers {
  /**
   * Opens the holder's fill. `peer-unreachable`: no answer, so that nobody knows whether it runs;
   * `peer-denied`: the replica is there and certainly does not run this fill (409).
   */
  relay(request: RelayRequest, signal: AbortSignal): Promise<RelayAnswer>;
  /**
   * Who has asked a replica for blobs within a day. `peer-unreachable`: no answer that counts, which
   * an older version gives too; `peer-denied`: another process is at its address, and this one is gone.
   */
  askers(holder: string, signal: AbortSignal): Promise<readonly RecentAsker[]>;
}

/** A fill of this process, as a peer reads it. Disposal ends a `next` that waits, and frees what is held. */
export interface RelayedFill extends Disposable {
  readonly url: string;
  readonly validator: Validator | undefined;
  readonly total: number | undefined;
  /**
   * Up to `max` bytes, at least one, whose holder calls `release` once they have left; undefined at
   * the end, after the verdict has passed. Rejects with the fill's failure.
   */
  next(max: number): Promise<RelayedPiece | undefined>;
  /** Whoever reads would have the content kept. */
  keep(): void;
  /** After the end. */
  verdict(): RelayVerdict;
}

export interface RelayedPiece {
  /** In order; not to be changed. */
  readonly chunks: readonly Uint8Array[];
  /** Bytes in all chunks together. */
  readonly bytes: number;
  release(): void;
}

/** What a replica serves of its own fills. */
export interface RelayHost {
  /**
   * undefined: this process certainly does not run that fill under that fence from an origin. Waits
   * shortly (less than ten seconds) while a fill of this key is just getting its lease. Any doubt rejects.
   */
  find(key: string, fence: Fence, offset: number, signal: AbortSignal): Promise<RelayedFill | undefined>;
}

/** A request between replicas, as it is proved. */
export interface ProvedRequest {
  readonly method: string;
  /** Path and query, as they are sent. */
  readonly target: string;
}

/** What replicas of one deployment prove to each other, by the secret that they share. */
export interface PeerCredentials {
  /** The `Authorization` of a request; it holds for a short time. */
  sign(request: ProvedRequest): string;
  /** Whether this was made for this very request, with this secret, and holds still. */
  verify(request: ProvedRequest, authorization: string | undefined): boolean;
  /** Proves that a statement is a replica's answer to the request that had this `Authorization`. */
  vouch(authorization: string, statement: string): string;
  confirms(authorization: string, statement: string, proof: string | undefined): boolean;
}
