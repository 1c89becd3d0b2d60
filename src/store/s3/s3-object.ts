import { setTimeout as delay } from "node:timers/promises";
import type { StoredObject } from "../../domain/content-store.ts";
import { CisternError } from "../../domain/errors.ts";
import { mayPass, s3Unavailable } from "./failure.ts";
import type { ObjectVersion, OpenRange, S3Reader } from "./s3-reader.ts";

const RETRY_PAUSE_MS = 100;
/** A reader that goes on gets ranges that grow up to so many times the first: every range costs a pause. */
const LARGEST_TIMES = 8;

/**
 * One version of an object. Who reads on where the last read ended gets its bytes from a long range
 * that stays open in between; any other read is a request for just its bytes.
 */
export class S3Object implements StoredObject {
  readonly size: number;
  readonly #version: ObjectVersion;
  readonly #reader: S3Reader;
  readonly #rangeBytes: number;
  readonly #idle: NodeJS.Timeout;
  #range: OpenRange | undefined;
  #rangeTimes = 1;
  /** Where the last read ends: a read from there on is sequential. */
  #next = 0;
  #turn: Promise<void> = Promise.resolve();
  #readers = 0;
  #closed = false;

  constructor(version: ObjectVersion, reader: S3Reader, settings: { rangeBytes: number; idleMs: number }) {
    this.size = version.size;
    this.#version = version;
    this.#reader = reader;
    this.#rangeBytes = settings.rangeBytes;
    this.#idle = setTimeout(() => this.#rest(), settings.idleMs).unref();
  }

  async read(into: Buffer, offset: number): Promise<number> {
    const length = Math.min(into.length, this.size - offset);
    if (length <= 0) return 0;
    if (this.#closed) throw new CisternError("store-unavailable", "stored content was closed");
    const target = into.subarray(0, length);
    const sequential = offset === this.#next;
    this.#next = offset + length;
    try {
      if (sequential) await this.#readInTurn(target, offset);
      else await this.#readAlone(target, offset);
    } catch (error) {
      throw s3Unavailable(error);
    }
    return length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#idle);
    this.#range?.close();
  }

  async #readInTurn(target: Buffer, offset: number): Promise<void> {
    this.#readers += 1;
    const read = this.#turn.then(() => this.#readOn(target, offset));
    this.#turn = read.then(nothing, nothing);
    try {
      await read;
    } finally {
      this.#readers -= 1;
      if (this.#readers === 0 && !this.#closed) {
        this.#range?.rest();
        this.#idle.refresh();
      }
    }
  }

  async #readOn(target: Buffer, offset: number): Promise<void> {
    await twice(target.length, async (filled, again) => {
      const position = offset + filled;
      if (this.#range?.position !== position) this.#range?.close();
      if (this.#range === undefined || !this.#range.isOpen) {
        this.#range = await this.#open(position, this.#ahead(position, target.length - filled), again);
      }
      return await fillOrClose(this.#range, target.subarray(filled));
    });
  }

  /** How much to ask for: more each time that all of the last range was read. */
  #ahead(position: number, wanted: number): number {
    const goesOn = this.#range?.isDone === true && this.#range.position === position;
    this.#rangeTimes = goesOn ? Math.min(this.#rangeTimes * 2, LARGEST_TIMES) : 1;
    return Math.min(Math.max(this.#rangeBytes * this.#rangeTimes, wanted), this.size - position);
  }

  async #readAlone(target: Buffer, offset: number): Promise<void> {
    await twice(target.length, async (filled, again) => {
      const range = await this.#open(offset + filled, target.length - filled, again);
      return await fillOrClose(range, target.subarray(filled));
    });
  }

  async #open(start: number, length: number, fresh: boolean): Promise<OpenRange> {
    const range = await this.#reader.open(this.#version, start, length, fresh);
    if (!this.#closed) return range;
    range.close();
    throw new CisternError("store-unavailable", "stored content was closed");
  }

  #rest(): void {
    if (this.#readers === 0) this.#range?.close();
  }
}

/** Steps until `length` bytes are there. A step that fails is tried once more, over a new connection. */
async function twice(length: number, step: (filled: number, again: boolean) => Promise<number>): Promise<void> {
  let again = false;
  for (let filled = 0; filled < length; ) {
    try {
      filled += await step(filled, again);
      again = false;
    } catch (error) {
      if (again || !mayPass(error)) throw error;
      again = true;
      await delay(RETRY_PAUSE_MS);
    }
  }
}

async function fillOrClose(range: OpenRange, into: Buffer): Promise<number> {
  try {
    return await range.fill(into);
  } catch (error) {
    range.close();
    throw error;
  }
}

function nothing(): void {
  // The reader whose turn it was has been told.
}
