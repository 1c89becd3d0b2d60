import type { Behalf, Hop } from "./egress.ts";
import type { ExternalLocation } from "./location.ts";

/** What a resume must find unchanged: RFC 9110 §8.8. Only strong ones are kept. */
export type Validator =
  | { readonly kind: "etag"; readonly value: string }
  | { readonly kind: "last-modified"; readonly value: string };

/** What every request says of itself. */
export interface HeadRequest {
  readonly location: ExternalLocation;
  readonly behalf: Behalf;
  /** Told of each request that leaves, when its head is there or it has failed. */
  readonly onHop?: (hop: Hop) => void;
}

export interface SourceRequest extends HeadRequest {
  /** Byte to begin with; with 0 no Range is sent. */
  readonly offset: number;
  /** Sent as If-Range; an offset without it is never asked for. */
  readonly validator: Validator | undefined;
  /** Takes a body that is labelled with a content coding as it is, undecoded (a digest is recorded). */
  readonly acceptEncoded: boolean;
  /** Asked of each URL that a redirect leads to, before it is dialled: what it throws ends the request. */
  readonly judgeHop?: ((url: string) => void) | undefined;
}

/** What an origin tells of its bytes without sending them. */
export interface SourceHead {
  /** Bytes of the whole; undefined when the origin does not tell. */
  readonly size: number | undefined;
  readonly validator: Validator | undefined;
}

export interface SourceAnswer {
  /** The byte that the body begins with: `offset` for a 206, 0 for a 200. */
  readonly offset: number;
  /** Bytes of the whole representation, when the origin tells. */
  readonly total: number | undefined;
  readonly validator: Validator | undefined;
  /** False: the body is delimited by the end of the connection, so that a cut looks like an end. */
  readonly framed: boolean;
  /** `Cache-Status` detail: the origin's status. */
  readonly status: number;
  /**
   * The bytes, back-pressured: the next chunk is asked for only when the last was taken. Chunks are
   * the caller's to keep. Throws `origin-broken` (reset, truncated, longer than announced),
   * `origin-timeout` (stalled). Leaving the loop closes the connection.
   */
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * The outside. Every hop is guarded (I8). Errors: `origin-unreachable` (DNS, connect, TLS),
 * `origin-timeout`, `origin-refused` (4xx), `origin-failed` (5xx, 429: with `retryAfter`),
 * `origin-broken`, `origin-encoded`, `origin-loop`, `host-not-allowed`, `address-not-allowed`.
 */
export interface Source {
  open(request: SourceRequest, signal: AbortSignal): Promise<SourceAnswer>;
  /** Asks what would come, without the bytes (HEAD). An origin that does not tell, or knows no HEAD, tells nothing. */
  head(request: HeadRequest, signal: AbortSignal): Promise<SourceHead>;
  /** Throws what `open` would throw for this location before it looks a name up. */
  admissible(location: ExternalLocation): void;
}
