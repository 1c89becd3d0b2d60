import { mkdir, rename, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { ObjectName } from "../domain/content.ts";
import type { ContentStore, Staging, StoredObject } from "../domain/content-store.ts";
import { CisternError } from "../domain/errors.ts";
import type { SpoolFile } from "../domain/spool.ts";
import { copySynced } from "./copy-synced.ts";
import { errnoOf, storeFailure } from "./io-error.ts";
import { emptyDirectory, listObjects } from "./object-directory.ts";
import { OpenFile } from "./open-file.ts";
import { syncDirectory } from "./sync.ts";

/** A removal that empties a directory can take it from under an admission; more often than this it is no race. */
const MOVE_ATTEMPTS = 32;

/**
 * Verified content in a directory, `<root>/sha256/ab/cd/<hex>/<fence>`. The one process that holds
 * the data directory writes it. The directory is created with mode 0700 when it is missing.
 */
export async function openFilesystemStore(directory: string): Promise<ContentStore> {
  const root = resolve(directory);
  const incoming = join(root, "incoming");
  try {
    await mkdir(incoming, { recursive: true, mode: 0o700 });
    await emptyDirectory(incoming);
    await syncDirectory(dirname(root));
    return new FilesystemStore(root, incoming);
  } catch (error) {
    throw storeFailure(error);
  }
}

class FilesystemStore implements ContentStore {
  readonly #root: string;
  /** Copies from another file system grow here, out of sight. */
  readonly #incoming: string;

  constructor(root: string, incoming: string) {
    this.#root = root;
    this.#incoming = incoming;
  }

  /** A file of another size than recorded is damaged: it counts as absent, so that a fill replaces it. */
  async open(name: ObjectName, size: number): Promise<StoredObject | undefined> {
    let file: OpenFile;
    try {
      file = await OpenFile.open(this.#path(name), "r");
    } catch (error) {
      if (errnoOf(error) === "ENOENT") return undefined;
      throw storeFailure(error);
    }
    try {
      if ((await file.size()) === size) return new StoredFile(file, size);
    } catch (error) {
      await file.close();
      throw error;
    }
    await file.close();
    return undefined;
  }

  /** Bytes are moved when all of them are there: until then the spool is the place for them. */
  stage(name: ObjectName, spool: SpoolFile): Staging {
    return {
      advance: () => undefined,
      commit: (signal) => this.#admit(name, spool, signal),
      [Symbol.asyncDispose]: async () => undefined,
    };
  }

  /** What copies left behind was removed at the start, when nobody else wrote. */
  async sweep(): Promise<number> {
    return 0;
  }

  async ping(): Promise<void> {
    try {
      await stat(this.#incoming);
    } catch (error) {
      throw storeFailure(error);
    }
  }

  async #admit(name: ObjectName, spool: SpoolFile, signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const path = this.#path(name);
    try {
      await this.#place(spool.path, path, signal);
    } catch (error) {
      signal.throwIfAborted();
      throw storeFailure(error);
    }
    try {
      // Each level, for another admission may have created one of them and not have synced it yet.
      const top = dirname(this.#root);
      for (let directory = dirname(path); directory !== top; directory = dirname(directory)) {
        await syncDirectory(directory);
      }
    } catch (error) {
      await this.remove(name);
      throw storeFailure(error);
    }
  }

  async remove(name: ObjectName): Promise<void> {
    const path = this.#path(name);
    try {
      await unlink(path);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT") throw storeFailure(error);
    }
    const top = join(this.#root, "sha256");
    for (let directory = dirname(path); directory !== top; directory = dirname(directory)) {
      try {
        await rmdir(directory);
      } catch (error) {
        const errno = errnoOf(error);
        if (errno === "ENOENT") continue;
        if (errno === "ENOTEMPTY" || errno === "EEXIST") return;
        throw storeFailure(error);
      }
    }
  }

  list(signal: AbortSignal): AsyncIterable<ObjectName> {
    return listObjects(join(this.#root, "sha256"), signal);
  }

  #path({ sha256, fence }: ObjectName): string {
    return join(this.#root, "sha256", sha256.slice(0, 2), sha256.slice(2, 4), sha256, String(fence));
  }

  /** Moves the sealed bytes to their name, or copies them when they lie on another file system. */
  async #place(from: string, to: string, signal: AbortSignal): Promise<void> {
    try {
      await moveInto(from, to);
    } catch (error) {
      if (errnoOf(error) !== "EXDEV") throw error;
      const copy = await copySynced(from, this.#incoming, signal);
      try {
        await moveInto(copy, to);
      } catch (cause) {
        await unlink(copy);
        throw cause;
      }
    }
  }
}

/** Renames into a directory that may not exist yet, and that a removal may take away meanwhile. */
async function moveInto(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      await mkdir(dirname(to), { recursive: true, mode: 0o700 });
      return await rename(from, to);
    } catch (error) {
      if (errnoOf(error) !== "ENOENT" || attempt === MOVE_ATTEMPTS) throw error;
    }
  }
}

class StoredFile implements StoredObject {
  readonly size: number;
  readonly #file: OpenFile;

  constructor(file: OpenFile, size: number) {
    this.#file = file;
    this.size = size;
  }

  async read(into: Buffer, offset: number): Promise<number> {
    const read = await this.#file.read(into, offset);
    if (read < Math.min(into.length, this.size - offset)) {
      throw new CisternError("store-unavailable", "stored content is shorter than it was");
    }
    return read;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#file.close();
  }
}
