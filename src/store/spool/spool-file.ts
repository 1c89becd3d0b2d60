import { CisternError } from "../../domain/errors.ts";
import type { SpoolFile, SpoolHeader } from "../../domain/spool.ts";
import { storeFailure } from "../io-error.ts";
import type { OpenFile } from "../open-file.ts";
import type { Backlog } from "./backlog.ts";
import type { JournalFile } from "./journal-file.ts";
import { unlinkIfThere } from "./remains.ts";
import type { Reservation } from "./reservation.ts";
import { WriteQueue } from "./write-queue.ts";

export interface SpoolFileParts {
  readonly id: string;
  readonly path: string;
  readonly file: OpenFile;
  /** Bytes that the file has already. */
  readonly written: number;
  readonly reservation: Reservation;
  readonly journal: JournalFile;
  readonly backlog: Backlog;
  /** Told as soon as the file is being closed. */
  readonly onClosing: (file: DirectorySpoolFile, closed: Promise<void>) => void;
  /** Told after the file is closed; `discarded`: its bytes are gone or belong to the store. */
  readonly onClosed: (file: DirectorySpoolFile, discarded: boolean) => Promise<void>;
}

/** A spool file in a directory. */
export class DirectorySpoolFile implements SpoolFile {
  readonly id: string;
  readonly path: string;
  readonly journal: JournalFile;
  readonly reservation: Reservation;
  readonly #file: OpenFile;
  readonly #writes: WriteQueue;
  readonly #onClosing: SpoolFileParts["onClosing"];
  readonly #onClosed: SpoolFileParts["onClosed"];
  #size: number | undefined;
  #discarded: Promise<void> | undefined;
  #closed: Promise<void> | undefined;

  constructor(parts: SpoolFileParts) {
    this.id = parts.id;
    this.path = parts.path;
    this.journal = parts.journal;
    this.reservation = parts.reservation;
    this.#file = parts.file;
    this.#onClosing = parts.onClosing;
    this.#onClosed = parts.onClosed;
    const { reservation } = parts;
    this.#writes = new WriteQueue(
      parts.file,
      parts.written,
      parts.backlog,
      (end) => (reservation.covers(end) ? undefined : reservation.grow(end, this.#size)),
      (bytes) => reservation.wrote(bytes),
    );
  }

  get written(): number {
    return this.#writes.written;
  }

  append(chunk: Uint8Array): Promise<void> | undefined {
    return this.#writes.push(chunk);
  }

  async read(into: Buffer, offset: number): Promise<number> {
    const wanted = Math.min(into.length, this.written - offset);
    if (wanted <= 0) return 0;
    const read = await this.#file.read(wanted === into.length ? into : into.subarray(0, wanted), offset);
    if (read < wanted) throw new CisternError("store-unavailable", "the spool is shorter than what was written");
    return read;
  }

  async seal(): Promise<void> {
    await this.#writes.drained();
    this.reservation.trim();
    await this.#file.sync();
  }

  /** Notes the source, and from it how much room the file will want. */
  async begin(header: SpoolHeader): Promise<void> {
    this.#size = header.size;
    await this.journal.begin(header);
  }

  async checkpoint(offset: number, sha256: string): Promise<void> {
    await this.#writes.reached(offset);
    await this.#file.sync();
    await this.journal.note({ offset, sha256 });
  }

  discard(): Promise<void> {
    this.#discarded ??= this.#discard();
    return this.#discarded;
  }

  [Symbol.asyncDispose](): Promise<void> {
    if (this.#closed === undefined) {
      this.#closed = this.#close();
      this.#onClosing(this, this.#closed);
    }
    return this.#closed;
  }

  async #discard(): Promise<void> {
    if (this.#closed !== undefined) throw new CisternError("internal", "the spool file is closed already");
    try {
      await this.journal.remove();
      const deleted = await unlinkIfThere(this.path);
      // Bytes that the store took are its own from now on; deleted ones stay on the disk until closed.
      if (!deleted) this.reservation.release();
    } catch (error) {
      throw storeFailure(error);
    }
  }

  async #close(): Promise<void> {
    this.#writes.stop();
    await this.#file.close();
    await this.#discarded;
    await this.journal.settled();
    await this.#onClosed(this, this.#discarded !== undefined);
  }
}
