import { CisternError } from "../domain/errors.ts";
import { atOrigin } from "./failure.ts";

/** Bytes that may wait for their reader before the connection is paused. */
const READ_AHEAD = 256 * 1024;

/** What carries the bytes. */
export interface Flow {
  resume(): void;
  /** Closes the connection. */
  abort(reason: Error): void;
}

/** Told of every chunk that the reader takes, and how long it waited for it. Throws to end the body. */
export type Observer = (waitedMs: number, bytes: number) => void;

/**
 * The bytes of one answer, read once, in the very buffers that the socket delivered. At most
 * READ_AHEAD and a socket buffer are read ahead. Leaving the loop closes the connection.
 */
export class ResponseBody implements AsyncIterableIterator<Uint8Array> {
  readonly #flow: Flow;
  readonly #origin: string;
  readonly #monotonic: () => number;
  #queue: Buffer[] = [];
  #queued = 0;
  #ended = false;
  #failure: Error | undefined;
  #wake: (() => void) | undefined;
  #unused: NodeJS.Timeout | undefined;
  #observe: Observer | undefined;
  /** Bytes that are still to come, when that is known. */
  #due: number | undefined;
  /** What follows the last byte: false when the origin sends less than the whole. */
  #reachesEnd = true;

  /** @param origin the host that errors name */
  constructor(flow: Flow, origin: string, monotonic: () => number) {
    this.#flow = flow;
    this.#origin = origin;
    this.#monotonic = monotonic;
  }

  /**
   * Prepares for being read.
   * @param length bytes that the origin owes, when it has said so
   * @param reachesEnd false: after them the content is not over
   * @param unusedMs the connection is closed when nobody has begun to read by then
   */
  begin(length: number | undefined, reachesEnd: boolean, unusedMs: number, observe: Observer): void {
    this.#due = length;
    this.#reachesEnd = reachesEnd;
    this.#observe = observe;
    this.#unused = setTimeout(() => this.abort(new Error("nobody reads the body")), unusedMs);
    this.#unused.unref();
  }

  /** Takes what the socket delivered; false: enough for now. */
  push(chunk: Buffer): boolean {
    // The parser reports an empty piece when it goes on after a pause.
    if (chunk.length > 0) {
      this.#queue.push(chunk);
      this.#queued += chunk.length;
      this.#rouse();
    }
    return this.#queued < READ_AHEAD;
  }

  end(): void {
    this.#ended = true;
    this.#rouse();
  }

  /** Ends it with an error, after the bytes that came before. */
  fail(error: Error): void {
    this.#failure ??= error;
    this.#rouse();
  }

  /** Ends it at once and closes the connection. */
  abort(reason: Error): void {
    clearTimeout(this.#unused);
    this.#queue = [];
    this.#queued = 0;
    this.fail(reason);
    if (!this.#ended) this.#flow.abort(reason);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    clearTimeout(this.#unused);
    const idle = this.#queue.length === 0 && !this.#ended && this.#failure === undefined;
    const waited = idle ? await this.#arrival() : 0;
    const chunk = this.#queue.shift();
    if (chunk === undefined) return this.#over();
    this.#queued -= chunk.length;
    this.#account(waited, chunk.length);
    if (this.#queued === 0) this.#flow.resume();
    return { done: false, value: chunk };
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.abort(new Error("the reader has left"));
    return { done: true, value: undefined };
  }

  #over(): IteratorResult<Uint8Array, undefined> {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#due !== undefined && this.#due > 0) throw this.#broken("the origin sent fewer bytes than it announced");
    if (!this.#reachesEnd) throw this.#broken("the origin sent a part of what was asked for");
    return { done: true, value: undefined };
  }

  #broken(message: string): CisternError {
    const error = new CisternError("origin-broken", message, { origin: this.#origin });
    this.abort(error);
    return error;
  }

  #account(waitedMs: number, bytes: number): void {
    if (this.#due !== undefined) {
      this.#due -= bytes;
      if (this.#due < 0) throw this.#broken("the origin sends more bytes than it announced");
    }
    try {
      this.#observe?.(waitedMs, bytes);
    } catch (error) {
      const named = error instanceof CisternError ? atOrigin(error, this.#origin) : error;
      this.abort(named instanceof Error ? named : new Error("ended by its observer"));
      throw named;
    }
  }

  /** Waits for bytes or the end; answers for how many milliseconds. */
  async #arrival(): Promise<number> {
    const began = this.#monotonic();
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await promise;
    return this.#monotonic() - began;
  }

  #rouse(): void {
    this.#wake?.();
    this.#wake = undefined;
  }
}
