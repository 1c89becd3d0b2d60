import ipaddr from "ipaddr.js";
import { CisternError } from "../domain/errors.ts";
import type { Principal } from "../domain/principal.ts";
import { type Bucket, RateLimit } from "./rate-limit.ts";

export interface CallerRates {
  /** Of one token from one address (IPv6: one /64); Infinity: without limit. */
  readonly requestsPerSecond: number;
  readonly readsPerSecond: number;
  /** Different tokens that nobody has, from one address. */
  readonly guessesPerMinute: number;
}

/** Seconds' worth of requests that may come at once: a fleet that boots comes all at once. */
const BURST_S = 20;
/** Minutes' worth of guesses that may come at once, and that are held against whoever goes on all the same. */
const GUESS_BURST_MIN = 2;
const GUESS_DEBT_MIN = 5;

/** How often callers may ask: `too-many-requests` when it is too often, with when to come again. */
export class CallerLimits {
  readonly #requests: RateLimit;
  readonly #reads: RateLimit;
  readonly #guesses: RateLimit;

  constructor({ requestsPerSecond, readsPerSecond, guessesPerMinute }: CallerRates, monotonic: () => number) {
    this.#requests = new RateLimit(requestsPerSecond, requestsPerSecond * BURST_S, monotonic);
    this.#reads = new RateLimit(readsPerSecond, readsPerSecond * BURST_S, monotonic);
    const [burst, debt] = [guessesPerMinute * GUESS_BURST_MIN, guessesPerMinute * GUESS_DEBT_MIN];
    this.#guesses = new RateLimit(guessesPerMinute / 60, burst, monotonic, debt);
  }

  /** Counts a request that is no read of a blob. */
  takeRequest(principal: Principal): void {
    take(this.#requests, keyOf(principal));
  }

  /** Counts a read of a blob. */
  takeRead(principal: Principal): void {
    take(this.#reads, keyOf(principal));
  }

  /**
   * For reads that are counted only when they are served: false when this one is to be refused, undefined
   * when nothing is counted.
   */
  mayRead(principal: Principal): { spend(): void } | false | undefined {
    // Asked for each hot hit: not even a key is made for a limit that is not set.
    const bucket = this.#reads.endless ? undefined : this.#reads.bucket(keyOf(principal));
    if (bucket === undefined) return undefined;
    return this.#reads.wait(bucket) === 0 && { spend: () => this.#reads.spend(bucket) };
  }

  /**
   * Lets a token be looked up that was not seen before. Only when it turns out that nobody has it does
   * it count (`wrong`): tokens that are right cost nothing, however many come at once from one address.
   */
  guess(address: string): { wrong(): void } {
    const guesses = this.#guesses;
    const bucket = guesses.bucket(networkOf(address));
    if (bucket === undefined) return { wrong: () => undefined };
    refuseEarly(guesses, bucket, "too many tokens that nobody has were tried from this address");
    return { wrong: () => guesses.spend(bucket) };
  }
}

function take(limit: RateLimit, key: string): void {
  const bucket = limit.bucket(key);
  if (bucket === undefined) return;
  refuseEarly(limit, bucket, "this token is used too often from this address");
  limit.spend(bucket);
}

function refuseEarly(limit: RateLimit, bucket: Bucket, message: string): void {
  const wait = limit.wait(bucket);
  if (wait > 0) throw new CisternError("too-many-requests", message, { retryAfter: Math.ceil(wait) });
}

function keyOf({ tokenId, address }: Principal): string {
  return `${tokenId} ${networkOf(address)}`;
}

/** Whoever has one IPv6 address has its /64. */
function networkOf(address: string): string {
  if (!address.includes(":") || !ipaddr.isValid(address)) return address;
  const parsed = ipaddr.parse(address);
  return parsed.kind() === "ipv6" ? parsed.toByteArray().slice(0, 8).join(".") : address;
}
