import { isDeepStrictEqual } from "node:util";
import type { CatalogChange } from "../../src/domain/catalog-changes.ts";

/** What a listener was told. */
export class Heard {
  #all: CatalogChange[] = [];
  #wake = Promise.withResolvers<void>();

  readonly hear = (change: CatalogChange): void => {
    this.#all.push(change);
    this.#wake.resolve();
    this.#wake = Promise.withResolvers();
  };

  get all(): readonly CatalogChange[] {
    return this.#all;
  }

  forget(): void {
    this.#all = [];
  }

  /** Resolves when this was told, which may have been before. */
  async until(change: CatalogChange): Promise<void> {
    while (!this.#all.some((one) => isDeepStrictEqual(one, change))) await this.#wake.promise;
  }
}
