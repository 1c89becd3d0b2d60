import { S3Timeout } from "./failure.ts";
import { ReadConnection, type ReadTarget } from "./read-connection.ts";

/** A connection that nobody used for so long is closed: below what servers wait for the next request. */
const REST_MS = 5_000;

interface Resting {
  readonly connection: ReadConnection;
  readonly timer: NodeJS.Timeout;
}

interface Waiter {
  /** undefined: a place for a new one. */
  go(connection: ReadConnection | undefined): void;
  readonly timer: NodeJS.Timeout;
}

/** Connections for reading, never more than a limit; who finds none waits in line. */
export class ReadPool implements Disposable {
  readonly #target: ReadTarget;
  readonly #max: number;
  readonly #resting: Resting[] = [];
  readonly #waiting: Waiter[] = [];
  /** Open ranges that nobody reads just now, the longest unread first: they give way. */
  readonly #yielding = new Set<() => void>();
  #count = 0;
  #closed = false;

  constructor(target: ReadTarget, max: number) {
    this.#target = target;
    this.#max = max;
  }

  /** @param fresh no connection that has rested: the server may have closed it meanwhile */
  async take(fresh: boolean): Promise<{ readonly connection: ReadConnection; readonly rested: boolean }> {
    const rested = fresh ? undefined : this.#resting.pop();
    if (rested !== undefined) {
      clearTimeout(rested.timer);
      rested.connection.whenBroken(undefined);
      return { connection: rested.connection, rested: true };
    }
    const handed = await this.#place();
    if (handed !== undefined && !fresh) return { connection: handed, rested: true };
    handed?.destroy();
    try {
      return { connection: await ReadConnection.open(this.#target), rested: false };
    } catch (error) {
      this.#leave();
      throw error;
    }
  }

  /** Every connection that was taken comes back once; one that is not at rest is closed. */
  give(connection: ReadConnection): void {
    if (connection.isReusable && this.#waiting.length === 0 && !this.#closed) {
      this.#rest(connection);
      return;
    }
    if (!connection.isReusable || this.#closed) connection.destroy();
    this.#leave(connection.isReusable ? connection : undefined);
  }

  #rest(connection: ReadConnection): void {
    const resting: Resting = {
      connection,
      timer: setTimeout(() => connection.destroy(), REST_MS).unref(),
    };
    this.#resting.push(resting);
    connection.whenBroken(() => {
      clearTimeout(resting.timer);
      this.#resting.splice(this.#resting.indexOf(resting), 1);
      this.#leave();
    });
    connection.rest();
  }

  /** `close` is called when the place is needed; until the answer is called. */
  yieldTo(close: () => void): () => void {
    this.#yielding.add(close);
    return () => this.#yielding.delete(close);
  }

  [Symbol.dispose](): void {
    this.#closed = true;
    for (const { connection } of [...this.#resting]) connection.destroy();
  }

  /** Waits for a place. Answers a connection when one came with it. */
  async #place(): Promise<ReadConnection | undefined> {
    if (this.#count >= this.#max) this.#makeRoom();
    if (this.#count < this.#max) {
      this.#count += 1;
      return undefined;
    }
    const { promise, resolve, reject } = Promise.withResolvers<ReadConnection | undefined>();
    const timeout = this.#target.requestMs;
    const timer = setTimeout(() => {
      this.#waiting.splice(this.#waiting.indexOf(waiter), 1);
      reject(new S3Timeout("waiting for a connection", timeout));
    }, timeout);
    const waiter: Waiter = { go: resolve, timer };
    this.#waiting.push(waiter);
    return await promise;
  }

  #makeRoom(): void {
    const [resting] = this.#resting;
    const [close] = this.#yielding;
    if (resting !== undefined) resting.connection.destroy();
    else if (close !== undefined) close();
  }

  /** The place goes to who waits longest, or is free. */
  #leave(connection?: ReadConnection): void {
    const waiter = this.#waiting.shift();
    if (waiter === undefined) {
      this.#count -= 1;
      return;
    }
    clearTimeout(waiter.timer);
    waiter.go(connection);
  }
}
