import { statfs } from "node:fs/promises";
import { CisternError } from "../../domain/errors.ts";
import type { TierUse } from "../../domain/replica.ts";
import { storeFailure } from "../io-error.ts";

const STEP = 256 * 1024 * 1024;
/** Disk that stays free, so that a full spool does not stop the catalog that shares the disk. */
const KEEP_FREE = 64 * 1024 * 1024;

/** What can be dropped when room is needed. */
export interface Spare {
  readonly bytes: number;
  /** False when there is nothing left to drop. */
  dropOldest(): Promise<boolean>;
}

/**
 * Who may use how much of the spool. Counted are the reservations of files in use, whole, and the
 * bytes that earlier processes left; together they never exceed the limit.
 */
export class SpoolSpace {
  readonly #directory: string;
  #limit: number;
  readonly #spare: Spare;
  #taken = 0;
  /** Reserved bytes that are not on the disk yet: what is free is spoken for by so much. */
  #pending = 0;
  /** Makes the disk free when it is full below the limit. */
  #relief: ((bytes: number) => Promise<boolean>) | undefined;
  #relieving: Promise<boolean> | undefined;

  /** @param limit bytes that the spool may use */
  constructor(directory: string, limit: number, spare: Spare) {
    this.#directory = directory;
    this.#limit = limit;
    this.#spare = spare;
  }

  get use(): TierUse {
    return { used: this.#taken, limit: this.#limit };
  }

  /** What can be dropped goes when it is too much now; files in use stay. */
  async resize(limit: number): Promise<void> {
    this.#limit = limit;
    while (this.#taken > this.#limit && (await this.#spare.dropOldest()));
  }

  relieveBy(free: (bytes: number) => Promise<boolean>): void {
    this.#relief = free;
  }

  /** Counts bytes that lie on the disk already. */
  occupy(bytes: number): void {
    this.#taken += bytes;
  }

  vacate(bytes: number): void {
    this.#taken -= bytes;
  }

  /** Reserved bytes were written. */
  wrote(bytes: number): void {
    this.#pending -= bytes;
  }

  /** Gives reserved bytes back, of which `unwritten` are not on the disk. */
  release(bytes: number, unwritten: number): void {
    this.#taken -= bytes;
    this.#pending -= unwritten;
  }

  /**
   * Reserves `wanted` bytes, or fewer when there are not so many, but at least `least`; answers how
   * many. `spool-full` when the limit or the disk has not that much; what can be spared goes first,
   * unless that would not be enough.
   */
  async reserve(least: number, wanted: number): Promise<number> {
    for (;;) {
      const free = await this.#free();
      // From here to the booking nothing waits: two that ask at once do not get the same bytes.
      const room = Math.min(this.#limit - this.#taken, free - this.#pending);
      if (room >= least) {
        const granted = Math.max(least, Math.min(wanted, room));
        this.#taken += granted;
        this.#pending += granted;
        return granted;
      }
      const enough = room + this.#spare.bytes >= least;
      if (enough && (await this.#spare.dropOldest())) continue;
      const withinLimit = this.#limit - this.#taken >= least;
      if (withinLimit && (await this.#relieve(least - (free - this.#pending)))) continue;
      throw new CisternError("spool-full", "there is no room in the spool");
    }
  }

  /** Once for all who find the disk full at the same time: each looks again what there is after it. */
  #relieve(bytes: number): Promise<boolean> {
    this.#relieving ??= (this.#relief?.(bytes) ?? Promise.resolve(false)).finally(() => {
      this.#relieving = undefined;
    });
    return this.#relieving;
  }

  /** How much to take at a time for a content of unknown size: less when the limit is small. */
  get step(): number {
    return Math.min(STEP, Math.max(1, Math.floor(this.#limit / 16)));
  }

  async #free(): Promise<number> {
    try {
      const { bavail, blocks, bsize } = await statfs(this.#directory);
      return bavail * bsize - Math.min(KEEP_FREE, Math.floor((blocks * bsize) / 64));
    } catch (error) {
      throw storeFailure(error);
    }
  }
}
