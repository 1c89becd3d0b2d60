import { cp } from "node:fs/promises";
import { join } from "node:path";
import { afterAll } from "vitest";
import { openCatalog } from "../../src/catalog/open-catalog.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";

interface CatalogDirectory extends AsyncDisposable {
  /** An empty catalog that nobody has open. */
  readonly path: string;
  /** Room beside it. */
  readonly beside: string;
}

/** For a file of tests: answers empty catalogs that are copies of one, for making one takes seconds. */
export function catalogDirectories(): () => Promise<CatalogDirectory> {
  let template: Promise<CatalogDirectory> | undefined;
  afterAll(async () => {
    await (await template)?.[Symbol.asyncDispose]();
  });
  return async () => {
    template ??= make();
    const [{ path: from }, directory] = await Promise.all([template, temporaryDirectory()]);
    const path = join(directory.path, "catalog");
    await cp(from, path, { recursive: true });
    return { path, beside: directory.path, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
  };
}

async function make(): Promise<CatalogDirectory> {
  const directory = await temporaryDirectory();
  const path = join(directory.path, "catalog");
  await (await openCatalog({ directory: path }))[Symbol.asyncDispose]();
  return { path, beside: directory.path, [Symbol.asyncDispose]: () => directory[Symbol.asyncDispose]() };
}
