import type { Clock } from "../domain/clock.ts";
import { CisternError } from "../domain/errors.ts";
import { type FillLimits, shareOfPrefetch } from "../domain/fill-limits.ts";

/** One that wants to fetch. */
export interface Entrant {
  /** Whose record it is for; undefined: nobody's, it takes from the store. */
  readonly project: string | undefined;
  /** Host that it fetches from; undefined: none. */
  readonly origin: string | undefined;
  /** Somebody reads; else it is fetched before anybody does. */
  readonly demanded: boolean;
  /** Nobody would miss it if it were put off. */
  readonly idle: boolean;
  /** Stops a running one for the sake of somebody who reads; it may come again. */
  putOff(): void;
}

/** A place among those that fetch; disposal gives it back. */
export type Place = Disposable;

interface Waiting {
  readonly entrant: Entrant;
  enter(place: Place): void;
}

/** How long a reader waits for its fetch to begin. */
const DEMAND_WAIT_MS = 30_000;
/** A prefetch that finds no place goes back to the queue, where another replica may have one. */
const PREFETCH_WAIT_MS = 5_000;
const MOST_WAITING = 2_000;
/** For how many who wait room is made at a time: the next come in their turn. */
const AT_A_TIME = 16;

export interface AdmissionLimits extends FillLimits {
  /** As `perProject`, of projects whose quotas say something else. */
  readonly ofProject?: ReadonlyMap<string, number>;
}

/**
 * Who may fetch now: no more than the limits say, demand before prefetch, and of what waits the
 * project that has least first, so that none starves another. A prefetch leaves a quarter of each
 * limit to demand, and is put off where a reader finds no place otherwise.
 */
export class FillAdmission {
  readonly #limits: () => AdmissionLimits;
  readonly #clock: Clock;
  readonly #inside = new Set<Entrant>();
  readonly #waiting = new Set<Waiting>();
  readonly #projects = new Map<string, number>();
  readonly #origins = new Map<string, number>();
  readonly #putOff = new WeakSet<Entrant>();

  constructor(limits: () => AdmissionLimits, clock: Clock) {
    this.#limits = limits;
    this.#clock = clock;
  }

  /** `too-busy` when so many wait already that one more would wait in vain. */
  refuseCrowd({ project }: Pick<Entrant, "project">): void {
    const own = [...this.#waiting].filter(({ entrant }) => entrant.project === project).length;
    if (this.#waiting.size >= MOST_WAITING || own >= MOST_WAITING / 4) throw tooBusy();
  }

  /** A place if there is one now; undefined: it has to wait. */
  tryEnter(entrant: Entrant): Place | undefined {
    // It takes nothing from those who wait: whatever they could have they were given.
    return this.#obstacle(entrant) === undefined ? this.#let(entrant) : undefined;
  }

  /** Whether it would have to wait for its turn; `too-busy` when nobody's end would let it in. */
  wouldWait(entrant: Entrant): boolean {
    const inTheWay = this.#obstacle(entrant);
    if (inTheWay === undefined) return false;
    if (![...this.#inside].some(inTheWay)) throw tooBusy();
    return true;
  }

  /** A place in its turn. `too-busy` after 30 s, or the signal's reason. */
  async enter(entrant: Entrant, signal: AbortSignal): Promise<Place> {
    signal.throwIfAborted();
    const now = this.tryEnter(entrant);
    if (now !== undefined) return now;
    const { promise, resolve } = Promise.withResolvers<Place>();
    const waiting: Waiting = { entrant, enter: resolve };
    this.#waiting.add(waiting);
    const over = new AbortController();
    const late = this.#patience(entrant, AbortSignal.any([signal, over.signal]));
    try {
      if (entrant.demanded) this.#putOffFor(entrant);
      return await Promise.race([promise, late]);
    } catch (error) {
      // It may be let in at the very moment that it gives up.
      void promise.then((place) => place[Symbol.dispose]());
      throw error;
    } finally {
      this.#waiting.delete(waiting);
      over.abort();
    }
  }

  /** Somebody reads now what nobody read, or a limit has changed. */
  review(): void {
    this.#advance();
  }

  /** How many are under way, of each kind. */
  get count(): { readonly inside: number; readonly waiting: number } {
    return { inside: this.#inside.size, waiting: this.#waiting.size };
  }

  async #patience(entrant: Entrant, signal: AbortSignal): Promise<never> {
    const since = this.#clock.monotonic();
    await this.#clock.sleep(PREFETCH_WAIT_MS, signal);
    // It may have found a reader meanwhile, who is as patient as others.
    if (entrant.demanded) await this.#clock.sleep(DEMAND_WAIT_MS - (this.#clock.monotonic() - since), signal);
    throw tooBusy();
  }

  #let(entrant: Entrant): Place {
    this.#inside.add(entrant);
    count(this.#projects, entrant.project, 1);
    count(this.#origins, entrant.origin, 1);
    return {
      [Symbol.dispose]: () => {
        if (!this.#inside.delete(entrant)) return;
        count(this.#projects, entrant.project, -1);
        count(this.#origins, entrant.origin, -1);
        this.#advance();
      },
    };
  }

  /** Lets in whom there is room for, in their order; makes room for a reader who finds none. */
  #advance(): void {
    for (let found = true; found; ) {
      const next = this.#order().find(({ entrant }) => this.#obstacle(entrant) === undefined);
      found = next !== undefined;
      if (next === undefined) break;
      this.#waiting.delete(next);
      next.enter(this.#let(next.entrant));
    }
    for (const { entrant } of this.#order().slice(0, AT_A_TIME)) if (entrant.demanded) this.#putOffFor(entrant);
  }

  #order(): Waiting[] {
    const has = ({ entrant }: Waiting) => this.#projects.get(entrant.project ?? "") ?? 0;
    return [...this.#waiting].sort(
      (one, other) => Number(other.entrant.demanded) - Number(one.entrant.demanded) || has(one) - has(other),
    );
  }

  /** Which of those inside keep it out; undefined: none do. */
  #obstacle({ project, origin, demanded }: Entrant): ((other: Entrant) => boolean) | undefined {
    const { total, perProject, ofProject, perOrigin, prefetchAtOnce } = this.#limits();
    const most = (limit: number) => (demanded ? limit : shareOfPrefetch(limit));
    if (this.#inside.size >= most(total)) return () => true;
    if (project !== undefined && (this.#projects.get(project) ?? 0) >= most(ofProject?.get(project) ?? perProject)) {
      return (other) => other.project === project;
    }
    if (origin !== undefined && (this.#origins.get(origin) ?? 0) >= most(perOrigin)) {
      return (other) => other.origin === origin;
    }
    const ahead = (other: Entrant) => !other.demanded;
    return !demanded && [...this.#inside].filter(ahead).length >= prefetchAtOnce ? ahead : undefined;
  }

  /** One for one: what was put off already gives its place back soon. */
  #putOffFor(reader: Entrant): void {
    const inTheWay = this.#obstacle(reader);
    if (inTheWay === undefined) return;
    const others = [...this.#inside].filter((other) => !other.demanded && inTheWay(other));
    const going = others.filter((other) => this.#putOff.has(other)).length;
    const wanted = [...this.#waiting].filter(({ entrant }) => entrant.demanded && inTheWay(entrant)).length;
    if (going >= wanted) return;
    const victim = others.findLast((other) => other.idle && !this.#putOff.has(other));
    if (victim === undefined) return;
    this.#putOff.add(victim);
    victim.putOff();
  }
}

function count(counts: Map<string, number>, name: string | undefined, by: number): void {
  if (name === undefined) return;
  const now = (counts.get(name) ?? 0) + by;
  if (now === 0) counts.delete(name);
  else counts.set(name, now);
}

function tooBusy(): CisternError {
  return new CisternError("too-busy", "too many fetches are under way", { retryAfter: 30 });
}
