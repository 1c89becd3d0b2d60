import { mkdir, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { ObjectName } from "../domain/content.ts";
import type { ContentStore, Staging, StoredObject } from "../domain/content-store.ts";
import type { SpoolFile } from "../domain/spool.ts";
import { storeFailure } from "./io-error.ts";
import { moveFile } from "./move-file.ts";
import { emptyDirectory, listObjects, objectPath, removeObject } from "./object-directory.ts";
import { StoredFile } from "./stored-file.ts";
import { syncDirectory } from "./sync.ts";

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

  open(name: ObjectName, size: number): Promise<StoredObject | undefined> {
    return StoredFile.open(objectPath(this.#root, name), size);
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
    const path = objectPath(this.#root, name);
    try {
      await moveFile(spool.path, path, this.#incoming, signal);
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

  remove(name: ObjectName): Promise<void> {
    return removeObject(this.#root, name);
  }

  list(signal: AbortSignal): AsyncIterable<ObjectName> {
    return listObjects(join(this.#root, "sha256"), signal);
  }
}
