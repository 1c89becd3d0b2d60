import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import { type Catalog, openCatalog } from "../../src/catalog/open-catalog.ts";
import { artifactCatalogConformance } from "../conformance/artifact-catalog.ts";
import { blobCatalogConformance } from "../conformance/blob-catalog.ts";
import { contentCatalogConformance } from "../conformance/content-catalog.ts";
import { gravesConformance } from "../conformance/graves.ts";
import { leasesConformance } from "../conformance/leases.ts";
import { tokenCatalogConformance } from "../conformance/token-catalog.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";

const NAME = "PGlite";
let opened: { readonly catalog: Catalog; readonly directory: AsyncDisposable } | undefined;

const catalog = () => {
  if (opened === undefined) throw new Error("the catalog is not open");
  return opened.catalog;
};

beforeAll(async () => {
  const directory = await temporaryDirectory();
  opened = { directory, catalog: await openCatalog({ directory: join(directory.path, "catalog") }) };
});

afterAll(async () => {
  await opened?.catalog[Symbol.asyncDispose]();
  await opened?.directory[Symbol.asyncDispose]();
});

artifactCatalogConformance(NAME, catalog);
blobCatalogConformance(NAME, catalog);
contentCatalogConformance(NAME, catalog);
gravesConformance(NAME, () => catalog().graves);
leasesConformance(NAME, () => catalog().leases);
tokenCatalogConformance(NAME, () => catalog().tokens);
