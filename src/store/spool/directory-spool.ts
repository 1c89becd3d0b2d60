import { randomUUID } from "node:crypto";
import { stat } from "node:fs/promises";
import type { TierUse } from "../../domain/replica.ts";
import type { Spool, SpoolFile, SpoolHeader, SpoolRemains } from "../../domain/spool.ts";
import type { LimitedTier, NeedyTier } from "../../domain/tier.ts";
import { errnoOf, storeFailure } from "../io-error.ts";
import { OpenFile } from "../open-file.ts";
import { Backlog } from "./backlog.ts";
import { JournalFile } from "./journal-file.ts";
import { deleteRemnant, journalPath, type Remnant, spoolPath } from "./remains.ts";
import { RemainsIndex } from "./remains-index.ts";
import { Reservation } from "./reservation.ts";
import { DirectorySpoolFile } from "./spool-file.ts";
import { type Spare, SpoolSpace } from "./spool-space.ts";

/** A spool of files `<id>.spool`, each with its journal `<id>.journal`, both of mode 0600. */
export class DirectorySpool implements Spool, LimitedTier, NeedyTier, Spare {
  readonly #directory: string;
  readonly #space: SpoolSpace;
  readonly #remains: RemainsIndex;
  readonly #backlog = new Backlog();
  readonly #files = new WeakSet<SpoolFile>();
  readonly #closing = new Map<DirectorySpoolFile, Promise<void>>();

  constructor(directory: string, limitBytes: number, remains: readonly Remnant[]) {
    this.#directory = directory;
    this.#remains = new RemainsIndex(remains);
    this.#space = new SpoolSpace(directory, limitBytes, this);
    for (const { bytes } of remains) this.#space.occupy(bytes);
  }

  get use(): TierUse {
    return this.#space.use;
  }

  resize(limit: number): Promise<void> {
    return this.#space.resize(limit);
  }

  relieveBy(free: (bytes: number) => Promise<boolean>): void {
    this.#space.relieveBy(free);
  }

  async create(reserve: number): Promise<SpoolFile> {
    const reservation = await Reservation.take(this.#space, reserve);
    const id = randomUUID();
    try {
      const file = await OpenFile.open(spoolPath(this.#directory, id), "wx+", 0o600);
      return this.#open(id, file, 0, reservation, new JournalFile(journalPath(this.#directory, id)));
    } catch (error) {
      reservation.release();
      throw storeFailure(error);
    }
  }

  async reopen(key: string): Promise<SpoolRemains | undefined> {
    await this.#atRest(key);
    const [best, ...others] = this.#remains.takeAll(key);
    for (const remnant of others) await this.#drop(remnant);
    if (best?.resume === undefined) return undefined;
    const { header, checkpoint } = best.resume;
    const journal = new JournalFile(journalPath(this.#directory, best.id));
    let file: OpenFile | undefined;
    try {
      file = await OpenFile.open(spoolPath(this.#directory, best.id), "r+");
      await file.truncate(checkpoint.offset);
      await journal.rewrite(header, checkpoint);
    } catch (error) {
      await file?.close();
      await this.#drop(best);
      const failure = storeFailure(error);
      if (errnoOf(error) === "ENOENT" || failure.code === "spool-full") return undefined;
      throw failure;
    }
    this.#space.vacate(best.bytes - checkpoint.offset);
    const reservation = Reservation.adopt(this.#space, checkpoint.offset);
    return { header, checkpoint, file: this.#open(best.id, file, checkpoint.offset, reservation, journal) };
  }

  async sweep(olderThan: Date): Promise<number> {
    const stale = this.#remains.takeStale(olderThan.getTime());
    for (const remnant of stale) await this.#drop(remnant);
    return stale.length;
  }

  /** Bytes of what can be dropped for something new. */
  get bytes(): number {
    return this.#remains.bytes;
  }

  async dropOldest(): Promise<boolean> {
    const oldest = this.#remains.takeOldest();
    if (oldest === undefined) return false;
    await this.#drop(oldest);
    return true;
  }

  begin(file: SpoolFile, header: SpoolHeader): Promise<void> {
    return this.#own(file).begin(header);
  }

  checkpoint(file: SpoolFile, offset: number, sha256: string): Promise<void> {
    return this.#own(file).checkpoint(offset, sha256);
  }

  #open(
    id: string,
    file: OpenFile,
    written: number,
    reservation: Reservation,
    journal: JournalFile,
  ): DirectorySpoolFile {
    const opened = new DirectorySpoolFile({
      id,
      path: spoolPath(this.#directory, id),
      file,
      written,
      reservation,
      journal,
      backlog: this.#backlog,
      onClosing: (closing, closed) => this.#watch(closing, closed),
      onClosed: (closed, discarded) => this.#closed(closed, discarded),
    });
    this.#files.add(opened);
    return opened;
  }

  #own(file: SpoolFile): DirectorySpoolFile {
    if (file instanceof DirectorySpoolFile && this.#files.has(file)) return file;
    throw new TypeError("a file of another spool");
  }

  #watch(file: DirectorySpoolFile, closed: Promise<void>): void {
    this.#closing.set(file, closed);
    const forget = () => this.#closing.delete(file);
    void closed.then(forget, forget);
  }

  /** Waits for files of this key that are being closed: what they leave can be gone on with. */
  async #atRest(key: string): Promise<void> {
    const closing = [...this.#closing].filter(([file]) => file.journal.header?.key === key);
    await Promise.allSettled(closing.map(([, closed]) => closed));
  }

  /** A file that was parked, not discarded, becomes a remnant for the next fill of its key. */
  async #closed(file: DirectorySpoolFile, discarded: boolean): Promise<void> {
    const { header, checkpoint } = file.journal;
    const bytes = discarded ? undefined : await sizeOf(file.path);
    if (header === undefined || checkpoint === undefined || bytes === undefined) {
      if (!discarded) await deleteRemnant(this.#directory, file.id);
      file.reservation.release();
      return;
    }
    file.reservation.release();
    this.#space.occupy(bytes);
    this.#remains.add({ id: file.id, bytes, modifiedAt: Date.now(), resume: { header, checkpoint } });
  }

  async #drop({ id, bytes }: Remnant): Promise<void> {
    try {
      await deleteRemnant(this.#directory, id);
    } catch (error) {
      throw storeFailure(error);
    }
    this.#space.vacate(bytes);
  }
}

/** Bytes of a file; undefined when the store took it. */
async function sizeOf(path: string): Promise<number | undefined> {
  try {
    return (await stat(path)).size;
  } catch (error) {
    if (errnoOf(error) === "ENOENT") return undefined;
    throw storeFailure(error);
  }
}
