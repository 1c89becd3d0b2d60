/** One that waits for a fill's progress; made once per reader, so that waiting allocates little. */
export interface Waiter {
  /** True until its first byte is sent: such readers are woken first. */
  fresh: boolean;
  wake: (() => void) | undefined;
}

const BATCH = 16;

/**
 * Readers that wait for progress. They are woken 16 at a time with a turn of the event loop in
 * between, those without a first byte first: a herd must not starve newcomers or the origin.
 */
export class WakeList {
  readonly #waiting = new Set<Waiter>();
  #running = false;
  #missed = false;

  /** Resolves at the next progress, or when the waiter's `wake` is called. */
  wait(waiter: Waiter): Promise<void> {
    return new Promise((resolve) => {
      waiter.wake = () => {
        waiter.wake = undefined;
        this.#waiting.delete(waiter);
        resolve();
      };
      this.#waiting.add(waiter);
    });
  }

  /** Tells everybody who waits now. */
  wakeAll(): void {
    if (this.#running) {
      this.#missed = true;
      return;
    }
    if (this.#waiting.size === 0) return;
    this.#running = true;
    const fresh: Waiter[] = [];
    const others: Waiter[] = [];
    for (const waiter of this.#waiting) (waiter.fresh ? fresh : others).push(waiter);
    this.#wakeFrom(fresh.length === 0 ? others : fresh.concat(others), 0);
  }

  #wakeFrom(order: readonly Waiter[], from: number): void {
    const until = Math.min(order.length, from + BATCH);
    for (let index = from; index < until; index += 1) order[index]?.wake?.();
    if (until < order.length) {
      setImmediate(() => this.#wakeFrom(order, until));
      return;
    }
    this.#running = false;
    // Progress that came while the loop ran: a next loop, with the newcomers in front again.
    if (this.#missed) {
      this.#missed = false;
      setImmediate(() => this.wakeAll());
    }
  }
}
