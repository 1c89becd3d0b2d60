import { isCisternError } from "../domain/errors.ts";

/** Told how a body goes; it does not wait. */
export interface BodyWatch {
  /** What it throws ends the body. */
  onBytes(bytes: number): void;
  /** Once: `complete`, `cut` when its reader left, or the code of what broke it. */
  onEnd(outcome: string): void;
}

/** A body that is watched while it is read; nothing is copied or kept. */
export class CountedBody implements AsyncIterableIterator<Uint8Array> {
  readonly #inner: AsyncIterator<Uint8Array>;
  readonly #watch: BodyWatch;
  #ended = false;

  constructor(body: AsyncIterable<Uint8Array>, watch: BodyWatch) {
    this.#inner = body[Symbol.asyncIterator]();
    this.#watch = watch;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Uint8Array, undefined>> {
    try {
      const piece = await this.#inner.next();
      if (piece.done !== true) return await this.#counted(piece);
    } catch (error) {
      this.#end(isCisternError(error) ? error.code : "aborted");
      throw error;
    }
    this.#end("complete");
    return { done: true, value: undefined };
  }

  /** A body whose bytes are refused is let go: nobody reads on behind an error. */
  #counted(piece: IteratorYieldResult<Uint8Array>): typeof piece | Promise<never> {
    try {
      this.#watch.onBytes(piece.value.length);
      return piece;
    } catch (error) {
      return Promise.resolve(this.#inner.return?.()).then(() => Promise.reject(error));
    }
  }

  async return(): Promise<IteratorResult<Uint8Array, undefined>> {
    this.#end("cut");
    await this.#inner.return?.();
    return { done: true, value: undefined };
  }

  #end(outcome: string): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#watch.onEnd(outcome);
  }
}
