import { isCisternError } from "../domain/errors.ts";

/** Told how a body goes; neither waits nor fails. */
export interface BodyWatch {
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
      if (piece.done === true) {
        this.#end("complete");
        return { done: true, value: undefined };
      }
      this.#watch.onBytes(piece.value.length);
      return piece;
    } catch (error) {
      this.#end(isCisternError(error) ? error.code : "aborted");
      throw error;
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
