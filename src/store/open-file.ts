import fs from "node:fs";
import { CisternError } from "../domain/errors.ts";
import { errnoOf, storeFailure } from "./io-error.ts";
import { syncData } from "./sync.ts";

/**
 * An open file, read and written at positions. A bare descriptor costs less per call than a
 * FileHandle; in return its number must not be closed under a call that still runs in the thread
 * pool, for it may name another file by then: `close` waits.
 */
export class OpenFile {
  readonly #fd: number;
  #calls = 0;
  #closed: PromiseWithResolvers<void> | undefined;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  /** Rejects with the system's error, so that the caller can tell what absence means. */
  static open(path: string, flags: string, mode?: number): Promise<OpenFile> {
    return new Promise((resolve, reject) => {
      fs.open(path, flags, mode, (error, fd) => (error === null ? resolve(new OpenFile(fd)) : reject(error)));
    });
  }

  /** Fills `into` from `offset` on; answers how many bytes, fewer than asked only at the end. */
  read(into: Buffer, offset: number): Promise<number> {
    return this.#call((fd, done) => {
      let filled = 0;
      const step = () => {
        fs.read(fd, into, filled, into.length - filled, offset + filled, (error, bytes) => {
          if (error !== null) return done(error, 0);
          filled += bytes;
          if (bytes === 0 || filled === into.length) done(null, filled);
          else step();
        });
      };
      step();
    });
  }

  /** Writes at `offset`; answers how many bytes, fewer than given when the disk fills up. */
  write(chunks: readonly Uint8Array[], offset: number): Promise<number> {
    return this.#call((fd, done) => fs.writev(fd, chunks, offset, (error, bytes) => done(error, bytes)));
  }

  /** Bytes that the file has. */
  size(): Promise<number> {
    return this.#call((fd, done) => fs.fstat(fd, (error, stats) => done(error, error === null ? stats.size : 0)));
  }

  /** Cuts the file back to `bytes`. */
  async truncate(bytes: number): Promise<void> {
    await this.#call((fd, done) => fs.ftruncate(fd, bytes, (error) => done(error, 0)));
  }

  /** Makes the bytes durable; at most four at once in the process. */
  async sync(): Promise<void> {
    await this.#call((fd, done) => {
      syncData(fd).then(
        () => done(null, 0),
        (error: unknown) => done(error, 0),
      );
    });
  }

  /** Closes when the last running call has ended. */
  close(): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = Promise.withResolvers();
      this.#closeWhenIdle();
    }
    return this.#closed.promise;
  }

  #call(run: (fd: number, done: (error: unknown, answer: number) => void) => void): Promise<number> {
    if (this.#closed !== undefined) return Promise.reject(new CisternError("internal", "the file is closed already"));
    this.#calls += 1;
    return new Promise((resolve, reject) => {
      run(this.#fd, (error, answer) => {
        this.#calls -= 1;
        this.#closeWhenIdle();
        if (error === null) resolve(answer);
        else reject(storeFailure(error));
      });
    });
  }

  #closeWhenIdle(): void {
    const closed = this.#closed;
    if (closed === undefined || this.#calls > 0) return;
    fs.close(this.#fd, (error) => {
      // Linux frees the descriptor whatever it answers, and what had to be durable was synced before.
      if (errnoOf(error) === "EBADF") closed.reject(new CisternError("internal", "closed twice", { cause: error }));
      else closed.resolve();
    });
  }
}
