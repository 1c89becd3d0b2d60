import { CisternError } from "../../domain/errors.ts";
import type { OpenFile } from "../open-file.ts";
import type { Backlog } from "./backlog.ts";

/** Bytes and buffers of one write. */
const MAX_WRITE = 1024 * 1024;
const MAX_BUFFERS = 1024;

/**
 * Appends to a file in order. What is queued while a write is under way goes out together in the
 * next one; the buffers are written as they came, without a copy.
 */
export class WriteQueue {
  readonly #file: OpenFile;
  readonly #backlog: Backlog;
  /** Asked before each write: makes sure that there is room up to `end`. undefined: there is. */
  readonly #room: (end: number) => Promise<void> | undefined;
  readonly #onWritten: (bytes: number) => void;
  #queue: Uint8Array[] = [];
  #queued = 0;
  #written: number;
  #running = false;
  #failure: CisternError | undefined;
  #waits: Wait[] = [];

  constructor(
    file: OpenFile,
    written: number,
    backlog: Backlog,
    room: (end: number) => Promise<void> | undefined,
    onWritten: (bytes: number) => void,
  ) {
    this.#file = file;
    this.#written = written;
    this.#backlog = backlog;
    this.#room = room;
    this.#onWritten = onWritten;
  }

  get written(): number {
    return this.#written;
  }

  /** undefined: go on; a promise: wait for it. */
  push(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (chunk.length === 0) return undefined;
    this.#queue.push(chunk);
    this.#queued += chunk.length;
    this.#backlog.add(chunk.length);
    if (!this.#running) void this.#run();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    const high = this.#backlog.high;
    return this.#queued < high ? undefined : this.reached(this.#written + this.#queued - Math.floor(high / 2));
  }

  /** Resolves when the first `offset` bytes are written; rejects with what made that impossible. */
  reached(offset: number): Promise<void> {
    if (offset <= this.#written) return Promise.resolve();
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return new Promise((resolve, reject) => this.#waits.push({ offset, resolve, reject }));
  }

  /** Resolves when all that was pushed is written; never after a failure, whatever was dropped. */
  drained(): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    return this.reached(this.#written + this.#queued);
  }

  /** Drops what is queued; a write under way ends in its own time. */
  stop(): void {
    this.#fail(new CisternError("internal", "the spool file is closed already"));
  }

  async #run(): Promise<void> {
    this.#running = true;
    try {
      while (this.#queue.length > 0) {
        const { buffers, bytes } = this.#take();
        await this.#write(buffers, bytes);
      }
    } catch (error) {
      this.#fail(error instanceof CisternError ? error : new CisternError("internal", "spooling", { cause: error }));
    } finally {
      this.#running = false;
    }
  }

  /** The next buffers, at most 1 MiB of them unless a single one is larger. */
  #take(): { buffers: Uint8Array[]; bytes: number } {
    let bytes = 0;
    let count = 0;
    for (const buffer of this.#queue) {
      if (count > 0 && (bytes + buffer.length > MAX_WRITE || count === MAX_BUFFERS)) break;
      bytes += buffer.length;
      count += 1;
    }
    if (count < this.#queue.length) return { buffers: this.#queue.splice(0, count), bytes };
    const buffers = this.#queue;
    this.#queue = [];
    return { buffers, bytes };
  }

  async #write(buffers: Uint8Array[], bytes: number): Promise<void> {
    const end = this.#written + bytes;
    const room = this.#room(end);
    if (room !== undefined) await room;
    if (this.#failure !== undefined) return;
    for (let rest = buffers; this.#written < end; ) {
      const wrote = await this.#file.write(rest, this.#written);
      this.#written += wrote;
      this.#onWritten(wrote);
      if (this.#failure !== undefined) return;
      this.#queued -= wrote;
      this.#backlog.add(-wrote);
      this.#wake();
      if (this.#written < end) rest = after(rest, wrote);
    }
  }

  #wake(): void {
    if (this.#waits.length === 0) return;
    const reached = this.#waits.filter((wait) => wait.offset <= this.#written);
    if (reached.length === 0) return;
    this.#waits = this.#waits.filter((wait) => wait.offset > this.#written);
    for (const wait of reached) wait.resolve();
  }

  #fail(failure: CisternError): void {
    if (this.#failure !== undefined) return;
    this.#failure = failure;
    this.#queue = [];
    this.#backlog.add(-this.#queued);
    this.#queued = 0;
    const waits = this.#waits;
    this.#waits = [];
    for (const wait of waits) wait.reject(failure);
  }
}

interface Wait {
  readonly offset: number;
  resolve(): void;
  reject(error: CisternError): void;
}

/** What a write that took only `bytes` left over. */
function after(buffers: readonly Uint8Array[], bytes: number): Uint8Array[] {
  const rest: Uint8Array[] = [];
  let skip = bytes;
  for (const buffer of buffers) {
    if (skip >= buffer.length) skip -= buffer.length;
    else {
      rest.push(buffer.subarray(skip));
      skip = 0;
    }
  }
  return rest;
}
