import type { Fence } from "./content.ts";
import type { Sha256 } from "./digest.ts";
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
}

/** A fill of this process, opened for another replica. */
export interface RelayedFill extends Disposable {
  /** The location whose bytes these are, secrets included. */
  readonly url: string;
  readonly validator: Validator | undefined;
  /** Bytes of the whole as recorded or announced, when known. */
  readonly total: number | undefined;
  /**
   * Up to `max` bytes, to be released once they have left; undefined at the end, which comes after
   * the verdict. Rejects with the fill's failure.
   */
  next(
    max: number,
  ): Promise<{ readonly chunks: readonly Uint8Array[]; readonly bytes: number; release(): void } | undefined>;
  /** After the end: what the verdict found. */
  verdict(): RelayVerdict;
}

/** What this process serves of its own fills to the other replicas. */
export interface RelayHost {
  /**
   * undefined: this process certainly does not run that fill under that fence from an origin. Waits
   * shortly while a fill of this key is just getting its lease, and until its source has answered;
   * rejects with its failure when it has failed by then.
   */
  find(key: string, fence: Fence, offset: number, signal: AbortSignal): Promise<RelayedFill | undefined>;
}
