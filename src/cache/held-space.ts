import type { Clock } from "../domain/clock.ts";
import type { Fence } from "../domain/content.ts";
import { CisternError, isCisternError } from "../domain/errors.ts";
import type { Lease } from "../domain/lease.ts";
import type { Room, SpaceClaim } from "../domain/space.ts";
import type { Fill } from "./fill.ts";
import { accountOf } from "./fill-account.ts";

export interface SpacePorts {
  readonly room: Room;
  readonly clock: Clock;
  /** Names this process as the holder of leases and reservations. */
  readonly holder: string;
  /** Whether another fill may pass through without being kept. */
  mayPass(): boolean;
}

/** What was open meanwhile may have been given up by its other end. */
const PROMPT_MS = 5_000;
/** How long a fill that may wait for room waits. */
const QUEUE_MS = 30_000;
const QUEUE_POLL_MS = 500;

/**
 * The room in the store that a fill has reserved: when an origin has answered and before its first
 * byte, more while bytes come whose number nobody knows, and exactly what it needs from its verdict
 * on. When there is none, the content rule's `on_full` decides: `pass` goes on without keeping, `queue`
 * waits a while before the first byte, `reject` fails.
 */
export class HeldSpace implements AsyncDisposable {
  readonly #fill: Fill;
  readonly #ports: SpacePorts;
  readonly #claim: SpaceClaim;
  readonly #signal: AbortSignal;
  #begun = false;
  /** Bytes that it begins with. */
  #wanted = 0;
  /** Reserved bytes; undefined: none, nor are more asked for. */
  #bytes: number | undefined;
  /** No answer came to what was asked for: it may be reserved all the same. */
  #doubtful = false;
  /** Nothing is left to be given back: an admission took it, or another process did. */
  #over = false;
  /** Why the fill is not to go on. */
  #refused: CisternError | undefined;
  #growing: Promise<void> | undefined;

  constructor(fill: Fill, ports: SpacePorts, lease: Lease, signal: AbortSignal) {
    this.#fill = fill;
    this.#ports = ports;
    this.#signal = signal;
    this.#claim = claimOf(fill, ports, lease);
  }

  /**
   * Where it may not pass without room, it waits for it, or is refused, before an origin is asked: nothing is
   * reserved yet, and nothing goes. `no-space`, `too-busy`.
   */
  async expect(): Promise<void> {
    const { room, clock } = this.#ports;
    const bytes = firstBytes(this.#fill, room);
    const next = withoutRoom(this.#fill, this.#ports, bytes);
    if (!this.#fill.keeps || next === "passed") return;
    const until = clock.monotonic() + QUEUE_MS;
    while (!(await room.has(this.#claim, bytes))) {
      if (next !== "waits") throw next;
      if (clock.monotonic() >= until) throw refusal(this.#fill, true);
      await clock.sleep(QUEUE_POLL_MS * (0.5 + clock.random()), this.#signal);
    }
  }

  /**
   * Reserves for a fill that is to be kept, once: an origin delivers it, and nothing goes for what none
   * delivers. False: `wait`, and ask the origin again. `no-space`, or `too-busy` when coming back later
   * may help.
   *
   * @param total as the origin tells it
   */
  async begin(total: number | undefined): Promise<boolean> {
    if (this.#begun || !this.#fill.keeps) return true;
    this.#begun = true;
    const { room, clock } = this.#ports;
    const since = clock.monotonic();
    this.#wanted = total ?? firstBytes(this.#fill, room);
    try {
      if (await this.#reserve(this.#wanted)) return clock.monotonic() - since < PROMPT_MS;
    } catch (error) {
      if (!isCisternError(error, "catalog-unavailable")) throw error;
      // Its disk may be full: this one goes on all the same, and asks again in the end.
      this.#fill.passing = true;
      return true;
    }
    const next = withoutRoom(this.#fill, this.#ports, this.#wanted);
    if (next === "waits") return false;
    if (next !== "passed") throw next;
    this.#fill.passing = true;
    return true;
  }

  /** For room that `begin` did not find; as it. */
  async wait(): Promise<void> {
    const { clock } = this.#ports;
    const until = clock.monotonic() + QUEUE_MS;
    while (!this.kept) {
      if (clock.monotonic() >= until) throw refusal(this.#fill, true);
      await clock.sleep(QUEUE_POLL_MS * (0.5 + clock.random()), this.#signal);
      await this.#reserve(this.#wanted);
    }
  }

  /**
   * What `begin` would come to now, without reserving or waiting: `kept`, it has room; `passed`, it goes on without
   * being kept; `waits` for room. `no-space`, `too-busy`.
   */
  static async foresee(fill: Fill, ports: Omit<SpacePorts, "clock">): Promise<"kept" | "passed" | "waits"> {
    if (!fill.keeps) return "passed";
    const bytes = firstBytes(fill, ports.room);
    const claim = claimOf(fill, ports, { key: fill.plan.key, fence: UPCOMING });
    if (await ports.room.has(claim, bytes)) return "kept";
    const next = withoutRoom(fill, ports, bytes);
    if (next === "passed" || next === "waits") return next;
    throw next;
  }

  /** True while the content can be kept. */
  get kept(): boolean {
    return this.#bytes !== undefined;
  }

  /**
   * Bytes up to `end` have come. undefined: there is room for them; a promise: wait for it. It rejects
   * when there is none, and the fill is not to go on without.
   */
  cover(end: number): Promise<void> | undefined {
    if (this.#refused !== undefined) return Promise.reject(this.#refused);
    if (this.#bytes === undefined || this.#fill.passing) return undefined;
    const { total } = this.#fill;
    const { step } = this.#ports.room;
    // A size that has become known is taken exactly, once; else there is always some to go on with.
    const enough = total === undefined ? end + step / 4 <= this.#bytes : total === this.#bytes;
    if (enough) return undefined;
    this.#growing ??= this.#grow(total ?? Math.max(end, this.#bytes) + step).finally(() => {
      this.#growing = undefined;
    });
    return end <= this.#bytes ? undefined : this.#growing.then(() => this.cover(end));
  }

  /**
   * The verdict: what is reserved becomes what is needed. What passed through for want of room is
   * kept all the same when there is some by now. False: it cannot be kept.
   */
  async settle(size: number): Promise<boolean> {
    await this.#growing;
    if (!this.#fill.keeps || this.#over || !(await this.#reserve(size))) return false;
    this.#fill.passing = false;
    return true;
  }

  /** The reservation has become content, or nobody wants it: there is nothing to be given back. */
  spent(): void {
    this.#over = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#growing;
    await this.#give();
  }

  /** Never rejects: what it comes to is for `cover` to tell. */
  async #grow(wanted: number): Promise<void> {
    try {
      if (await this.#reserve(wanted)) return;
    } catch (error) {
      if (!(error instanceof CisternError)) throw error;
      // The catalog is away: a running fill goes on, and asks again in the end.
      this.#fill.passing = true;
      return;
    }
    // Whoever holds some never waits for more.
    await this.#give();
    // Bytes that nobody reads are fetched to be kept.
    if (onFullOf(this.#fill) === "pass" && this.#fill.demanded) this.#fill.passing = true;
    else this.#refused = refusal(this.#fill, this.#ports.room.fits(wanted));
  }

  async #reserve(bytes: number): Promise<boolean> {
    this.#doubtful = true;
    const outcome = await this.#ports.room.reserve(this.#claim, bytes);
    this.#doubtful = false;
    if (outcome === "lost") this.#over = true;
    if (outcome !== "granted") return false;
    this.#bytes = bytes;
    return true;
  }

  async #give(): Promise<void> {
    const held = (this.#bytes !== undefined || this.#doubtful) && !this.#over;
    this.#bytes = undefined;
    this.#doubtful = false;
    if (held) await this.#ports.room.release(this.#claim.fence);
  }
}

type OnFull = "pass" | "queue" | "reject";

/** Above every fence that was given. */
const UPCOMING = Number.MAX_SAFE_INTEGER as Fence;

/** What is reserved before the first byte. */
function firstBytes({ total, mark }: Fill, { step }: Room): number {
  return total ?? Math.max(step, mark);
}

function claimOf(
  fill: Fill,
  { holder }: Pick<SpacePorts, "holder">,
  { key, fence }: Omit<Lease, "holder">,
): SpaceClaim {
  const { project, origin } = accountOf(fill);
  return { key, fence, holder, project, origin };
}

/** What becomes of a fill that has no room before its first byte: it goes on all the same, waits, or fails. */
function withoutRoom(
  fill: Fill,
  { room, mayPass }: Pick<SpacePorts, "room" | "mayPass">,
  bytes: number,
): "passed" | "waits" | CisternError {
  const onFull = onFullOf(fill);
  if (onFull === "pass" && mayPass()) return "passed";
  return onFull === "queue" && room.fits(bytes) ? "waits" : refusal(fill, room.fits(bytes));
}

function onFullOf({ plan }: Fill): OnFull {
  return plan.rules?.onFull.value ?? "pass";
}

/** @param later whether coming back may help */
function refusal(fill: Fill, later: boolean): CisternError {
  if (onFullOf(fill) === "reject" || !later) {
    return new CisternError("no-space", "there is no room in the cache for this content");
  }
  return new CisternError("too-busy", "there is no room in the cache for this content now", { retryAfter: 30 });
}
