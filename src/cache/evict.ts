import type { Fence, ObjectName } from "../domain/content.ts";
import type { ContentCatalog } from "../domain/content-catalog.ts";
import type { ContentStore } from "../domain/content-store.ts";
import type { Events } from "../domain/events.ts";
import type { Evicted, Reserved, Room, SpaceClaim, SpaceLedger, SpaceSetting } from "../domain/space.ts";

export interface EvictPorts {
  readonly space: SpaceLedger;
  readonly contents: Pick<ContentCatalog, "condemned" | "forget">;
  readonly store: Pick<ContentStore, "remove">;
  readonly events: Events;
}

export interface EvictOptions {
  /** Bytes of all content together when no operator has set a limit. */
  readonly configured: number;
  /** Bytes of the limit that is in force. */
  limit(): number;
  /** Objects that readers of this process have open. */
  open(): readonly ObjectName[];
  /** Other processes read the store as well: objects go only when none of them has them open. */
  readonly shared: boolean;
  /** False: living processes may not have told yet what their readers have open. */
  heard(): boolean;
}

/** Longer than two heartbeats: whoever opened an object just before its row went has told of it by then. */
const SPARING = { graceMs: 30_000, spareOpen: true };
const STEP = 256 * 1024 * 1024;
/** Contents that are removed in one go. */
const PAGE = 1_000;
/** Whoever finds nothing to remove may have come second; whoever does so often waits for readers. */
const IDLE_TURNS = 3;

/**
 * Keeps the store within its limit (I9): room is reserved before bytes come, and what is worth least
 * goes for it. The ledger decides; here its decisions are carried out.
 */
export class Evictor implements Room {
  readonly #ports: EvictPorts;
  readonly #options: EvictOptions;
  readonly #onGone: (contents: readonly Evicted[]) => void;
  /** Reservations that could not be given back yet. */
  readonly #owed = new Set<Fence>();
  /** Condemned objects that readers here held when it was their turn to go. */
  readonly #read = new Set<string>();
  #removing: Promise<unknown> = Promise.resolve();

  /** @param onGone told which contents nobody opens any more */
  constructor(ports: EvictPorts, options: EvictOptions, onGone: (contents: readonly Evicted[]) => void) {
    this.#ports = ports;
    this.#options = options;
    this.#onGone = onGone;
  }

  get step(): number {
    return Math.min(STEP, Math.max(1, Math.floor(this.#options.limit() / 16)));
  }

  fits(bytes: number): boolean {
    return bytes <= this.#options.limit();
  }

  async reserve(claim: SpaceClaim, bytes: number): Promise<Reserved> {
    // What could not be given back before is made use of again.
    this.#owed.delete(claim.fence);
    for (let idle = 0; ; ) {
      const { outcome, evicted } = await this.#ports.space.reserve(claim, bytes, this.#setting());
      this.#tell(evicted);
      if (outcome !== "going") return outcome;
      // Among others room is there as soon as it is condemned: only the page was full.
      if (this.#options.shared) {
        if (evicted.length === 0) return "full";
        continue;
      }
      idle = (await this.#removeCondemned()) > 0 ? 0 : idle + 1;
      if (idle === IDLE_TURNS) return "full";
    }
  }

  async has(claim: SpaceClaim, bytes: number): Promise<boolean> {
    const outcome = await this.#ports.space.foresee(claim, bytes, this.#setting());
    return outcome === "granted" || outcome === "going";
  }

  async release(fence: Fence): Promise<void> {
    this.#owed.add(fence);
    try {
      await this.#ports.space.release(fence);
      this.#owed.delete(fence);
    } catch (cause) {
      this.#ports.events.emit({ kind: "degraded", part: "catalog", cause });
    }
  }

  /** Frees so many bytes of a disk that is full; answers whether any were to be had. */
  async free(bytes: number): Promise<boolean> {
    const { evicted } = await this.#ports.space.evict(bytes, this.#setting());
    this.#tell(evicted);
    return evicted.length > 0 && (await this.#removeCondemned()) > 0;
  }

  /** Evicts what is too old, and down to the low watermark when use is above the high one. */
  async evictDown(signal: AbortSignal): Promise<void> {
    for (let going = false; ; going = true) {
      signal.throwIfAborted();
      const page = await this.#ports.space.evictDown(going, this.#setting());
      this.#tell(page.evicted);
      if (!this.#options.shared) await this.#removeCondemned();
      if (!page.more) return;
    }
  }

  /** Gives back what could not be given back in its time: each process its own. Does not reject. */
  async giveBack(): Promise<void> {
    for (const fence of [...this.#owed]) await this.release(fence);
  }

  /** Removes the objects of condemned contents, then their rows. Answers how many went. */
  async reap(signal: AbortSignal): Promise<number> {
    if (!this.#options.shared) return this.#removeCondemned();
    if (!this.#options.heard()) return 0;
    // Their room is given to others already: all that may go goes now.
    for (let gone = 0; ; ) {
      const page = await this.#ports.contents.condemned(PAGE, SPARING);
      for (const object of page) {
        signal.throwIfAborted();
        if (await this.#remove(object)) gone += 1;
      }
      if (page.length < PAGE) return gone;
    }
  }

  /** The last reader here has left an object: if it was to go, it goes now. Does not reject. */
  async left(object: ObjectName): Promise<void> {
    if (!this.#read.delete(nameOf(object))) return;
    try {
      await this.#removeCondemned();
    } catch (cause) {
      this.#ports.events.emit({ kind: "degraded", part: "store", cause });
    }
  }

  #setting(): SpaceSetting {
    return { configured: this.#options.configured, open: this.#options.open() };
  }

  #tell(evicted: readonly Evicted[]): void {
    if (evicted.length === 0) return;
    for (const { object } of evicted) {
      this.#ports.events.emit({ kind: "content-removed", sha256: object.sha256, reason: "evicted" });
    }
    this.#onGone(evicted);
  }

  /** Alone: what nobody here reads goes at once. One at a time, so that each finds what the others left. */
  #removeCondemned(): Promise<number> {
    const turn = this.#removing.then(async () => {
      let gone = 0;
      for (const object of await this.#ports.contents.condemned(PAGE)) {
        // Looked at for each: somebody may have begun to read.
        const reading = this.#options.open().some((open) => nameOf(open) === nameOf(object));
        if (reading) this.#read.add(nameOf(object));
        else if (await this.#remove(object)) gone += 1;
      }
      return gone;
    });
    // The next in line waits for this one's end, whichever it is; its caller gets the error.
    this.#removing = turn.catch(() => undefined);
    return turn;
  }

  async #remove(object: ObjectName): Promise<boolean> {
    await this.#ports.store.remove(object);
    if (!(await this.#ports.contents.forget(object))) return false;
    this.#ports.events.emit({ kind: "content-removed", sha256: object.sha256, reason: "unreferenced" });
    return true;
  }
}

function nameOf({ sha256, fence }: ObjectName): string {
  return `${sha256}/${fence}`;
}
