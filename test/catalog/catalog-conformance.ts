import type { Catalog } from "../../src/catalog/open-catalog.ts";
import { artifactCatalogConformance } from "../conformance/artifact-catalog.ts";
import { blobCatalogConformance } from "../conformance/blob-catalog.ts";
import { contentCatalogConformance } from "../conformance/content-catalog.ts";
import { gravesConformance } from "../conformance/graves.ts";
import { leasesConformance } from "../conformance/leases.ts";
import { tokenCatalogConformance } from "../conformance/token-catalog.ts";

/** What every catalog does, whatever is under it. */
export function catalogConformance(name: string, catalog: () => Catalog): void {
  artifactCatalogConformance(name, catalog);
  blobCatalogConformance(name, catalog);
  contentCatalogConformance(name, catalog);
  gravesConformance(name, () => catalog().graves);
  leasesConformance(name, () => catalog().leases);
  tokenCatalogConformance(name, () => catalog().tokens);
}
