import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Catalog, openCatalog } from "../../src/catalog/open-catalog.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { catalogConformance } from "./catalog-conformance.ts";
import { Heard } from "./heard.ts";
import { located } from "./records.ts";

let opened: { readonly catalog: Catalog; readonly directory: AsyncDisposable } | undefined;

beforeAll(async () => {
  const directory = await temporaryDirectory();
  opened = { directory, catalog: await openCatalog({ directory: join(directory.path, "catalog") }) };
});

afterAll(async () => {
  await opened?.catalog[Symbol.asyncDispose]();
  await opened?.directory[Symbol.asyncDispose]();
});

function catalog(): Catalog {
  if (opened === undefined) throw new Error("the catalog is not open");
  return opened.catalog;
}

catalogConformance("PGlite", catalog);

test("PGlite has nobody to tell of changes, and tells nothing", async () => {
  const heard = new Heard();
  await using _ = await catalog().changes.listen(heard.hear);
  const { artifact } = await located(catalog());
  await catalog().artifacts.remove(artifact.id);
  expect(heard.all).toEqual([]);
});
