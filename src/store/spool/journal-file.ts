import { appendFile, rename, unlink, writeFile } from "node:fs/promises";
import type { SpoolHeader } from "../../domain/spool.ts";
import { errnoOf, storeFailure } from "../io-error.ts";
import { type Checkpoint, checkpointLine, headerLine } from "./journal-record.ts";

/**
 * The sidecar of a spool file. It needs no sync of its own: a record that a power cut takes away
 * costs a refetch, and one that stays tells of bytes that were synced before.
 */
export class JournalFile {
  readonly path: string;
  #header: SpoolHeader | undefined;
  #checkpoint: Checkpoint | undefined;
  /** Records are written one after the other, and none after the removal. */
  #last: Promise<void> = Promise.resolve();
  #removed = false;

  constructor(path: string) {
    this.path = path;
  }

  /** The header in force; undefined: a later process could not go on with the bytes. */
  get header(): SpoolHeader | undefined {
    return this.#header;
  }

  get checkpoint(): Checkpoint | undefined {
    return this.#checkpoint;
  }

  /**
   * Notes where the next bytes come from. When the disk has no room for that, the journal goes: a
   * stale header would mislead a resume, while the fill itself can go on without one.
   */
  begin(header: SpoolHeader): Promise<void> {
    return this.#inOrder(async () => {
      try {
        await this.#append(headerLine(header));
        this.#header = header;
      } catch (error) {
        const failure = storeFailure(error);
        if (failure.code !== "spool-full") throw failure;
        this.#header = undefined;
        this.#checkpoint = undefined;
        await this.#unlink();
      }
    });
  }

  /** Notes a resume point; a journal without a header keeps none. */
  note(checkpoint: Checkpoint): Promise<void> {
    return this.#inOrder(async () => {
      if (this.#header === undefined) return;
      await this.#append(checkpointLine(checkpoint));
      if (checkpoint.offset >= (this.#checkpoint?.offset ?? 0)) this.#checkpoint = checkpoint;
    });
  }

  /** Replaces everything by one header and one resume point. */
  rewrite(header: SpoolHeader, checkpoint: Checkpoint): Promise<void> {
    return this.#inOrder(async () => {
      const draft = `${this.path}.new`;
      await writeFile(draft, headerLine(header) + checkpointLine(checkpoint), { mode: 0o600 });
      await rename(draft, this.path);
      this.#header = header;
      this.#checkpoint = checkpoint;
    });
  }

  /** Deletes it for good. */
  remove(): Promise<void> {
    return this.#inOrder(async () => {
      this.#removed = true;
      await this.#unlink();
    });
  }

  /** Waits for records that are being written. */
  settled(): Promise<void> {
    return this.#inOrder(async () => undefined);
  }

  #inOrder(step: () => Promise<void>): Promise<void> {
    const done = this.#last.then(async () => {
      if (this.#removed) return;
      try {
        await step();
      } catch (error) {
        throw storeFailure(error);
      }
    });
    // The caller learns of a failure; the next record has its own fate.
    this.#last = done.catch(() => undefined);
    return done;
  }

  async #append(line: string): Promise<void> {
    await appendFile(this.path, line, { mode: 0o600 });
  }

  async #unlink(): Promise<void> {
    try {
      await unlink(this.path);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw error;
    }
  }
}
