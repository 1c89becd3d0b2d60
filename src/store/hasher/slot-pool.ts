export const SLOT_BYTES = 512 * 1024;
/** Bounds the memory of all streams together: 16 MiB. */
const SLOTS = 32;
/** One fast stream takes no more than this, so that the others find some. */
const PER_STREAM = 4;

/** Who fills slots. */
export interface SlotUser {
  /** Dispatches the slot that it is filling, though it is not full. */
  flush(): void;
}

interface Waiter {
  readonly user: SlotUser;
  take(slot: number): void;
}

/**
 * Pieces of shared memory between streams and workers. More streams than slots is no deadlock: who
 * finds none free has the stream that was quiet for longest flush its partly filled one.
 */
export class SlotPool {
  readonly slots = new SharedArrayBuffer(SLOTS * SLOT_BYTES);
  readonly readers = new SharedArrayBuffer(SLOTS * Int32Array.BYTES_PER_ELEMENT);
  readonly #bytes = new Uint8Array(this.slots);
  readonly #readersLeft = new Int32Array(this.readers);
  /** A stack: what was used last is used next, and the rest of the memory is never touched. */
  readonly #free = Array.from({ length: SLOTS }, (_, index) => SLOTS - 1 - index);
  readonly #users: (SlotUser | undefined)[] = Array.from({ length: SLOTS });
  readonly #dispatched = new Map<SlotUser, number>();
  #underway = 0;
  /** Who fills a slot at the moment, the one that took its slot first in front. */
  readonly #filling = new Set<SlotUser>();
  #waiters: Waiter[] = [];

  /** True when none of the user's slots is with the workers. */
  isIdle(user: SlotUser): boolean {
    return !this.#dispatched.has(user);
  }

  /** A slot to fill; undefined: none is to be had now. */
  take(user: SlotUser): number | undefined {
    if (this.#atLimit(user) || this.#waiters.length > 0) return undefined;
    const slot = this.#free.pop();
    if (slot !== undefined) this.#filling.add(user);
    return slot;
  }

  /** Calls `take` with a slot as soon as there is one for this user. */
  wait(user: SlotUser, take: (slot: number) => void): void {
    this.#waiters.push({ user, take });
    this.#serve();
    if (this.#waiters.length > this.#underway) {
      const [quiet] = this.#filling;
      quiet?.flush();
    }
  }

  fill(slot: number, at: number, bytes: Uint8Array): void {
    this.#bytes.set(bytes, slot * SLOT_BYTES + at);
  }

  /** The bytes of a slot, for reading them here. */
  view(slot: number, length: number): Buffer {
    return Buffer.from(this.slots, slot * SLOT_BYTES, length);
  }

  /** The slot goes to this many workers; the last of them gives it back. */
  dispatch(slot: number, user: SlotUser, workers: number): void {
    this.#filling.delete(user);
    this.#users[slot] = user;
    this.#dispatched.set(user, (this.#dispatched.get(user) ?? 0) + 1);
    this.#underway += 1;
    Atomics.store(this.#readersLeft, slot, workers);
  }

  /** All workers are done with it. */
  returned(slot: number): void {
    const user = this.#users[slot];
    this.#users[slot] = undefined;
    if (user === undefined) return;
    this.#underway -= 1;
    const left = (this.#dispatched.get(user) ?? 1) - 1;
    if (left === 0) this.#dispatched.delete(user);
    else this.#dispatched.set(user, left);
    this.#free.push(slot);
    this.#serve();
  }

  /** The slot was not dispatched. */
  giveBack(slot: number, user: SlotUser): void {
    this.#filling.delete(user);
    this.#free.push(slot);
    this.#serve();
  }

  #serve(): void {
    while (this.#free.length > 0) {
      const index = this.#waiters.findIndex(({ user }) => !this.#atLimit(user));
      const waiter = this.#waiters[index];
      const slot = waiter === undefined ? undefined : this.#free.pop();
      if (waiter === undefined || slot === undefined) return;
      this.#waiters.splice(index, 1);
      this.#filling.add(waiter.user);
      waiter.take(slot);
    }
  }

  #atLimit(user: SlotUser): boolean {
    return (this.#dispatched.get(user) ?? 0) >= PER_STREAM;
  }
}
