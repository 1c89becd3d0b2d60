import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type Catalog, openCatalog } from "../../src/catalog/open-catalog.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { catalogConformance } from "./catalog-conformance.ts";

let opened: { readonly catalog: Catalog; readonly directory: AsyncDisposable } | undefined;

beforeAll(async () => {
  const directory = await temporaryDirectory();
  opened = { directory, catalog: await openCatalog({ directory: join(directory.path, "catalog") }) };
});

afterAll(async () => {
  await opened?.catalog[Symbol.asyncDispose]();
  await opened?.directory[Symbol.asyncDispose]();
});

catalogConformance("PGlite", () => {
  if (opened === undefined) throw new Error("the catalog is not open");
  return opened.catalog;
});
