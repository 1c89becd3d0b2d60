import { Duplex } from "node:stream";

/** Sends protocol bytes to the thread; calls back with its answer, in order. */
export type Exchange = (message: Uint8Array, answered: (answer: Uint8Array) => void) => void;

const TERMINATE = 0x58;

/** Looks like a socket to the driver; is a conversation with the thread of the embedded Postgres. */
export class WorkerSocket extends Duplex {
  readonly #exchange: Exchange;

  constructor(exchange: Exchange) {
    super({ readableHighWaterMark: 1024 * 1024, writableHighWaterMark: 1024 * 1024 });
    this.#exchange = exchange;
  }

  /** The driver asks for it when it ends. */
  get readyState(): "open" | "closed" {
    return this.destroyed ? "closed" : "open";
  }

  override _read(): void {
    // Answers are pushed when they come.
  }

  override _write(chunk: Uint8Array, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    if (chunk[0] === TERMINATE) {
      done(); // the thread is closed by itself, cleanly
      return;
    }
    // A copy of its own: what is sent is transferred, and the driver's chunks may share one buffer.
    this.#exchange(new Uint8Array(chunk), (answer) => {
      if (this.destroyed) return;
      if (answer.length > 0) this.push(Buffer.from(answer.buffer, answer.byteOffset, answer.byteLength));
      done();
    });
  }

  override _final(done: (error?: Error | null) => void): void {
    done();
    this.destroy();
  }
}
