import { LRUCache } from "lru-cache";
import type { Clock } from "../domain/clock.ts";
import { CisternError, type ErrorCode } from "../domain/errors.ts";
import { type ExternalLocation, originOf } from "../domain/location.ts";

interface Failures {
  count: number;
  /** Milliseconds of the monotonic clock. */
  until: number;
  error: CisternError;
}

const BASE_MS = 1_000;
const CAP_MS = 300_000;
/** Whose fault it is: these count against the origin, all others against the one location. */
const ORIGIN_FAULTS: ReadonlySet<ErrorCode> = new Set(["origin-unreachable", "origin-timeout", "origin-failed"]);

/**
 * Remembers what failed, so that a herd of requests does not become a herd of attempts: back-off
 * with full jitter, `Retry-After` obeyed. One wrong checksum does not stop a mirror for everybody.
 */
export class SourceHealth {
  readonly #origins = new LRUCache<string, Failures>({ max: 10_000 });
  readonly #locations = new LRUCache<string, Failures>({ max: 50_000 });
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /**
   * Why this location is not to be tried now, with the seconds to wait; undefined: try.
   * @param domain the fill's trust domain: the same URL may be right for one record and wrong for another
   */
  blocked(domain: string, location: ExternalLocation): CisternError | undefined {
    const now = this.#clock.monotonic();
    const own = this.#locations.get(locationKey(domain, location));
    if (own !== undefined && own.until > now) return again(own.error, own.error.code, own.until - now);
    const origin = this.#origins.get(originOf(location.url));
    if (origin !== undefined && origin.until > now)
      return again(origin.error, "origin-backing-off", origin.until - now);
    return undefined;
  }

  failed(domain: string, location: ExternalLocation, error: CisternError): void {
    const byOrigin = ORIGIN_FAULTS.has(error.code);
    const table = byOrigin ? this.#origins : this.#locations;
    const name = byOrigin ? originOf(location.url) : locationKey(domain, location);
    const count = (table.peek(name)?.count ?? 0) + 1;
    const ceiling = Math.min(CAP_MS, BASE_MS * 2 ** Math.min(count, 16));
    // Full jitter above a floor: a pause of nothing would make the memory no memory.
    const pause = Math.max(BASE_MS, ceiling * this.#clock.random(), (error.retryAfter ?? 0) * 1000);
    table.set(name, { count, until: this.#clock.monotonic() + pause, error });
  }

  /** The location has delivered: its past is forgotten. */
  passed(domain: string, location: ExternalLocation): void {
    this.#origins.delete(originOf(location.url));
    this.#locations.delete(locationKey(domain, location));
  }
}

function locationKey(domain: string, location: ExternalLocation): string {
  return `${domain} ${location.url}`;
}

function again(error: CisternError, code: ErrorCode, milliseconds: number): CisternError {
  return new CisternError(code, error.message, {
    cause: error,
    retryAfter: Math.ceil(milliseconds / 1000),
    ...(error.origin === undefined ? {} : { origin: error.origin }),
    ...(error.originStatus === undefined ? {} : { originStatus: error.originStatus }),
  });
}
