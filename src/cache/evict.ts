import type { ContentCatalog } from "../domain/content-catalog.ts";
import type { ContentStore } from "../domain/content-store.ts";
import type { Events } from "../domain/events.ts";

export interface EvictPorts {
  readonly contents: ContentCatalog;
  readonly store: ContentStore;
  readonly events: Events;
}

export interface EvictOptions {
  /** Bytes of all content together. */
  readonly limit: number;
  /** Other processes read the store as well: objects go only when none of them has them open. */
  readonly shared: boolean;
}

const PAGE = 50;
/** Longer than two heartbeats: whoever opened an object just before its row went has told of it by then. */
const SPARING = { graceMs: 30_000, spareOpen: true };

/**
 * Keeps the cache within its limit (I9): before content is admitted, what was read least recently
 * goes; internal bytes never do. One at a time, so that two admissions do not count the same room.
 */
export class Evictor {
  readonly #ports: EvictPorts;
  readonly #options: EvictOptions;
  readonly #onGone: () => void;
  #turn: Promise<unknown> = Promise.resolve();

  /** @param onGone told when contents went */
  constructor(ports: EvictPorts, options: EvictOptions, onGone: () => void) {
    this.#ports = ports;
    this.#options = options;
    this.#onGone = onGone;
  }

  /** Makes room for this many bytes; false when it cannot be had without touching what must stay. */
  makeRoom(bytes: number): Promise<boolean> {
    return this.#inTurn(() => this.#makeRoom(bytes));
  }

  /** Removes the objects of condemned contents, then their rows. Answers how many went. */
  reap(signal: AbortSignal): Promise<number> {
    // Among others condemned bytes are not counted: a store that takes its time keeps no admission waiting.
    return this.#options.shared ? this.#reap(signal) : this.#inTurn(() => this.#reap(signal));
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.then(work);
    // The next in line waits for this one's end, whichever it is; its caller gets the error.
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  async #reap(signal: AbortSignal): Promise<number> {
    const { shared } = this.#options;
    let gone = 0;
    for (const object of await this.#ports.contents.condemned(1_000, shared ? SPARING : undefined)) {
      signal.throwIfAborted();
      await this.#ports.store.remove(object);
      if (!(await this.#ports.contents.forget(object))) continue;
      gone += 1;
      this.#ports.events.emit({ kind: "content-removed", sha256: object.sha256, reason: "unreferenced" });
    }
    return gone;
  }

  async #makeRoom(bytes: number): Promise<boolean> {
    const { limit, shared } = this.#options;
    if (bytes > limit) return false;
    for (let before = Number.POSITIVE_INFINITY, evicted = 1; ; ) {
      const use = await this.#ports.contents.use();
      // Alone, what is condemned lies on the disk until it is removed, which is soon; among others it is gone for good.
      const used = shared ? use.bytes - use.condemnedBytes : use.bytes;
      if (used + bytes <= limit) return true;
      // Nothing was to be had, unless another process came first: then there is less by now.
      if (evicted === 0 && used >= before) return false;
      before = used;
      evicted = await this.#evict(used + bytes - limit);
      if (evicted === 0 && !shared) return false;
    }
  }

  /** Evicts at least this many bytes, if it can; answers how many. */
  async #evict(bytes: number): Promise<number> {
    let freed = 0;
    for (const content of await this.#ports.contents.leastRecentlyRead(PAGE)) {
      if (freed >= bytes) break;
      if (!(await this.#ports.contents.condemn(content.object))) continue;
      // Among others only the row goes now: somebody may be reading the object.
      if (!this.#options.shared) {
        await this.#ports.store.remove(content.object);
        await this.#ports.contents.forget(content.object);
      }
      this.#ports.events.emit({ kind: "content-removed", sha256: content.object.sha256, reason: "evicted" });
      freed += content.size;
    }
    if (freed > 0) this.#onGone();
    return freed;
  }
}
