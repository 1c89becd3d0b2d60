import type { FileHandle } from "node:fs/promises";

/** The network's chunks are small, and a write costs a thread's round trip: they go out in batches. */
const BATCH_BYTES = 2 ** 20;

/** Appends to a file in batches, one of which is written while the next one gathers. */
export class WriteBehind {
  readonly #file: FileHandle;
  #position: number;
  #gathered: Uint8Array[] = [];
  #gatheredBytes = 0;
  #running: Promise<void> = Promise.resolve();

  /** Goes on at `position`. */
  constructor(file: FileHandle, position: number) {
    this.#file = file;
    this.#position = position;
  }

  /** Takes a chunk, which the caller must not change afterwards. A write that failed rejects here or in `settle`. */
  async append(chunk: Uint8Array): Promise<void> {
    this.#gathered.push(chunk);
    this.#gatheredBytes += chunk.length;
    if (this.#gatheredBytes >= BATCH_BYTES) await this.#begin();
  }

  /** Resolves when everything that was taken is written. */
  async settle(): Promise<void> {
    await this.#begin();
    await this.#running;
  }

  async #begin(): Promise<void> {
    await this.#running;
    const batch = Buffer.concat(this.#gathered, this.#gatheredBytes);
    this.#gathered = [];
    this.#gatheredBytes = 0;
    this.#running = this.#write(batch);
    // The next call awaits it; without this a failure in between would end the process as unhandled.
    this.#running.catch(() => undefined);
  }

  async #write(batch: Uint8Array): Promise<void> {
    for (let done = 0; done < batch.length; ) {
      const { bytesWritten } = await this.#file.write(batch, done, batch.length - done, this.#position);
      done += bytesWritten;
      this.#position += bytesWritten;
    }
  }
}
