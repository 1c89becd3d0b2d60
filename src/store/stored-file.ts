import type { StoredObject } from "../domain/content-store.ts";
import { CisternError } from "../domain/errors.ts";
import { errnoOf, storeFailure } from "./io-error.ts";
import { OpenFile } from "./open-file.ts";

/** Content that lies in a file of its own. */
export class StoredFile implements StoredObject {
  readonly size: number;
  readonly #file: OpenFile;

  private constructor(file: OpenFile, size: number) {
    this.#file = file;
    this.size = size;
  }

  /** A file of another size than recorded is damaged: it counts as absent, so that a fill replaces it. */
  static async open(path: string, size: number): Promise<StoredFile | undefined> {
    let file: OpenFile;
    try {
      file = await OpenFile.open(path, "r");
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
