import { setTimeout as delay } from "node:timers/promises";
import { unavailable } from "../translate-error.ts";
import { unlessAborted } from "../unless-aborted.ts";
import type { Connection } from "./connection.ts";

export interface PoolOptions {
  /** Connections at most. */
  readonly size: number;
  /** How long one waits for a connection. Shorter than a query may take: who gets one has time left to use it. */
  readonly waitMs: number;
  /** One that was not used so long is not trusted: what is in between may have forgotten it. */
  readonly idleMs: number;
  readonly lifetimeMs: number;
}

const FIRST_PAUSE_MS = 50;
const LONGEST_PAUSE_MS = 1_000;
const CLOSE_MS = 5_000;

type Waiter = PromiseWithResolvers<Connection>;

/**
 * Lends connections, one user each. A connection that broke, or whose user gave up waiting for its
 * answer, is never lent again: a server that was away serves again without a hand.
 */
export class Pool {
  readonly #open: () => Promise<Connection>;
  readonly #options: PoolOptions;
  /** All that are open; the value is when it was used last. */
  readonly #connections = new Map<Connection, number>();
  /** The one that was used last is the last. */
  readonly #idle: Connection[] = [];
  readonly #waiting = new Set<Waiter>();
  #opening = 0;
  #failures = 0;
  #closed = false;

  constructor(open: () => Promise<Connection>, options: PoolOptions) {
    this.#open = open;
    this.#options = options;
  }

  /** @param late aborted when nobody waits for the answer any more */
  async use<T>(work: (connection: Connection) => Promise<T>, late: AbortSignal): Promise<T> {
    const connection = await this.#take(late);
    const onLate = () => this.#distrust(connection);
    late.addEventListener("abort", onLate, { once: true });
    try {
      return await unlessAborted(work(connection), connection.broken);
    } finally {
      late.removeEventListener("abort", onLate);
      this.#giveBack(connection);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#reject(this.#waiting, unavailable("the catalog is closed"));
    await Promise.all([...this.#connections.keys()].map((connection) => connection.close(CLOSE_MS)));
  }

  async #take(late: AbortSignal): Promise<Connection> {
    if (this.#closed) throw unavailable("the catalog is closed");
    const idle = this.#freshest();
    if (idle !== undefined) return idle;
    const waiter = Promise.withResolvers<Connection>();
    this.#waiting.add(waiter);
    const limit = setTimeout(() => waiter.reject(unavailable("no connection became free")), this.#options.waitMs);
    if (this.#connections.size + this.#opening < this.#options.size) void this.#grow();
    try {
      return await unlessAborted(waiter.promise, late);
    } catch (error) {
      // Given to it in the very moment that it gave up.
      waiter.promise.then(
        (connection) => this.#giveBack(connection),
        () => undefined,
      );
      waiter.reject(error);
      throw error;
    } finally {
      clearTimeout(limit);
      this.#waiting.delete(waiter);
    }
  }

  #freshest(): Connection | undefined {
    const connection = this.#idle.pop();
    if (connection === undefined) return undefined;
    const usedAt = this.#connections.get(connection) ?? 0;
    if (performance.now() - usedAt <= this.#options.idleMs) return connection;
    // The others have waited longer still.
    for (const old of [connection, ...this.#idle.splice(0)]) this.#retire(old);
    return undefined;
  }

  async #grow(): Promise<void> {
    this.#opening += 1;
    let asked: readonly Waiter[] = [];
    try {
      if (this.#failures > 0) await delay(pauseAfter(this.#failures));
      asked = [...this.#waiting];
      const connection = await this.#open();
      connection.broken.throwIfAborted();
      this.#failures = 0;
      this.#connections.set(connection, performance.now());
      connection.broken.addEventListener("abort", () => this.#forget(connection), { once: true });
      this.#giveBack(connection);
    } catch (error) {
      this.#failures += 1;
      // Connections that are open will come back, or break and tell. Who came after this attempt had
      // begun learns nothing from it: it may have begun before an outage that is over by now.
      if (this.#connections.size === 0) this.#reject(asked, error);
    } finally {
      this.#opening -= 1;
      if (this.#connections.size === 0) this.#growForWaiting();
    }
  }

  #giveBack(connection: Connection): void {
    if (connection.broken.aborted) return;
    const old = performance.now() - connection.openedAt > this.#options.lifetimeMs;
    if (old || this.#closed) {
      this.#retire(connection);
      return;
    }
    this.#connections.set(connection, performance.now());
    const [waiter] = this.#waiting;
    if (waiter === undefined) {
      this.#idle.push(connection);
      return;
    }
    this.#waiting.delete(waiter);
    waiter.resolve(connection);
  }

  #retire(connection: Connection): void {
    this.#forget(connection);
    connection.close(CLOSE_MS).catch(() => connection.destroy("it did not close"));
  }

  /** There is room for another one, which somebody may be waiting for. */
  #forget(connection: Connection): void {
    if (!this.#connections.delete(connection)) return;
    const at = this.#idle.indexOf(connection);
    if (at !== -1) this.#idle.splice(at, 1);
    this.#growForWaiting();
  }

  #growForWaiting(): void {
    if (this.#waiting.size > this.#opening && !this.#closed) void this.#grow();
  }

  /** No answer: the connection is half open, or stuck. So may be those that nobody uses. */
  #distrust(connection: Connection): void {
    for (const one of [connection, ...this.#idle.splice(0)]) one.destroy("no answer in time");
  }

  #reject(waiters: Iterable<Waiter>, error: unknown): void {
    for (const waiter of waiters) {
      this.#waiting.delete(waiter);
      waiter.reject(error);
    }
  }
}

function pauseAfter(failures: number): number {
  return Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** failures) * (0.5 + Math.random() / 2);
}
