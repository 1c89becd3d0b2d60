import type { Clock } from "../domain/clock.ts";

/** A host and port; an IPv6 address without its brackets. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** All addresses of a name, in the order in which they are to be tried. Rejects when there are none. */
export type Resolve = (hostname: string) => Promise<readonly string[]>;

/** What leads outside, and how far. Times in milliseconds. */
export interface OriginOptions {
  /** CIDRs outside the public unicast ranges that origins may have. */
  readonly allow: readonly string[];
  /** Host patterns that members may name. */
  readonly memberHosts: readonly string[];
  /**
   * Where Cistern itself (and what belongs to it) can be reached; asked anew each time, for a
   * listener knows its port only once it listens. Wildcard addresses mean every address of this machine.
   */
  readonly ownAddresses: () => readonly Endpoint[];
  /** This deployment's name in `CDN-Loop`: an RFC 8586 cdn-id. */
  readonly loopId: string;
  readonly timeouts: {
    /** DNS, TCP and TLS together. */
    readonly connectMs: number;
    readonly headersMs: number;
    /** Pause within a body while the reader waits. */
    readonly stallMs: number;
    /** A HEAD, redirects included. */
    readonly sizeMs: number;
  };
  /** Redirects that one request follows. */
  readonly maxRedirects: number;
  /** A body that brings less than this while its reader waits is ended. */
  readonly minimumRate: { readonly bytesPerSecond: number; readonly overMs: number };
}

export interface OriginPorts {
  readonly clock: Pick<Clock, "now" | "monotonic">;
  readonly resolve: Resolve;
}

/** What holds unless the configuration says otherwise. */
export const ORIGIN_DEFAULTS = {
  timeouts: { connectMs: 10_000, headersMs: 30_000, stallMs: 30_000, sizeMs: 10_000 },
  maxRedirects: 5,
  minimumRate: { bytesPerSecond: 10 * 1024, overMs: 5 * 60_000 },
} as const;
