import type { ServerResponse } from "node:http";
import type { Piece } from "../cache/body.ts";

/** Small, so that many readers that wait for their first byte are served soon. */
export const FIRST_WRITE = 64 * 1024;
const LARGEST_WRITE = 1024 * 1024;
const QUICK_MS = 50;
const SLOW_MS = 1_000;

/** Writes piece after piece, each when the kernel has taken the one before. */
export class PieceWriter implements Disposable {
  readonly #response: ServerResponse;
  readonly #onClose = () => this.#taken?.(false);
  #bytes = 0;
  #stalled = false;
  #taken: ((alive: boolean) => void) | undefined;

  /** @param idleMs milliseconds after which a reader that takes no byte is reset */
  constructor(response: ServerResponse, idleMs: number) {
    this.#response = response;
    response.once("close", this.#onClose);
    this.#watchIdle(idleMs);
  }

  /** Bytes that the kernel has taken. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Whether the reader was reset because it took nothing. */
  get stalled(): boolean {
    return this.#stalled;
  }

  /**
   * Writes what `next` gives, up to its end; false when the connection is gone before. Rejects with
   * what `next` fails with.
   */
  async writeAll(next: (max: number) => Promise<Piece | undefined>, first?: Piece): Promise<boolean> {
    let size = FIRST_WRITE;
    for (let piece = first ?? (await next(size)); piece !== undefined; piece = await next(size)) {
      const began = performance.now();
      const alive = await this.#write(piece);
      if (!alive) return false;
      this.#bytes += piece.bytes;
      const took = performance.now() - began;
      // Quick readers get large pieces; what a slow one holds stays small.
      if (took < QUICK_MS) size = Math.min(LARGEST_WRITE, size * 2);
      else if (took > SLOW_MS) size = Math.max(FIRST_WRITE, size / 2);
    }
    return !this.#response.destroyed;
  }

  /** Ends the connection so that nobody takes what was sent for complete (I1). */
  reset(): void {
    this.#response.req.socket.resetAndDestroy();
    this.#taken?.(false);
  }

  [Symbol.dispose](): void {
    this.#response.off("close", this.#onClose);
  }

  /** True when the kernel has taken the piece; false when the connection is gone. */
  #write(piece: Piece): Promise<boolean> {
    const response = this.#response;
    return new Promise((resolve) => {
      this.#taken = (alive) => {
        if (this.#taken === undefined) return;
        this.#taken = undefined;
        piece.release();
        resolve(alive);
      };
      if (response.destroyed) {
        this.#taken(false);
        return;
      }
      const { chunks } = piece;
      const last = chunks.length - 1;
      if (last > 0) response.cork();
      for (let index = 0; index < last; index += 1) response.write(chunks[index]);
      response.write(chunks[last], (error) => this.#taken?.(error === undefined || error === null));
      if (last > 0) response.uncork();
    });
  }

  /** Node's socket time-out counts from the last progress of the kernel's queue, whatever its size. */
  #watchIdle(idleMs: number): void {
    // Not the response's own: it has none while answers before it are under way.
    const { socket } = this.#response.req;
    socket.setTimeout(idleMs);
    this.#response.on("timeout", () => {
      if (this.#taken === undefined) {
        socket.setTimeout(idleMs); // we are the ones who have nothing to send
        return;
      }
      this.#stalled = true;
      this.reset();
    });
  }
}
