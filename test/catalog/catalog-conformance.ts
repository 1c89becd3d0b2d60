import { expect, test } from "vitest";
import type { Catalog } from "../../src/catalog/open-catalog.ts";
import { artifactCatalogConformance } from "../conformance/artifact-catalog.ts";
import { auditCatalogConformance } from "../conformance/audit-catalog.ts";
import { blobCatalogConformance } from "../conformance/blob-catalog.ts";
import { blobSearchConformance } from "../conformance/blob-search.ts";
import { blocksConformance } from "../conformance/blocks.ts";
import { capacityCatalogConformance } from "../conformance/capacity-catalog.ts";
import { contentCareConformance } from "../conformance/content-care.ts";
import { contentCatalogConformance } from "../conformance/content-catalog.ts";
import { contentRecoveryConformance } from "../conformance/content-recovery.ts";
import { fillQueueConformance } from "../conformance/fill-queue.ts";
import { firstAnswersConformance } from "../conformance/first-answers.ts";
import { gravesConformance } from "../conformance/graves.ts";
import { leasesConformance } from "../conformance/leases.ts";
import { policyCatalogConformance } from "../conformance/policy-catalog.ts";
import { policyScanConformance } from "../conformance/policy-scan.ts";
import { quotaCatalogConformance } from "../conformance/quota-catalog.ts";
import { replicasConformance } from "../conformance/replicas.ts";
import { revalidationConformance } from "../conformance/revalidation.ts";
import { spaceLedgerConformance } from "../conformance/space-ledger.ts";
import { tasksConformance } from "../conformance/tasks.ts";
import { tokenCatalogConformance } from "../conformance/token-catalog.ts";

/** What every catalog does, whatever is under it. */
export function catalogConformance(name: string, catalog: () => Catalog): void {
  artifactCatalogConformance(name, catalog);
  auditCatalogConformance(name, catalog);
  blobCatalogConformance(name, catalog);
  blocksConformance(name, catalog);
  contentCareConformance(name, catalog);
  blobSearchConformance(name, catalog);
  contentCatalogConformance(name, catalog);
  contentRecoveryConformance(name, catalog);
  fillQueueConformance(name, catalog);
  firstAnswersConformance(name, () => catalog().firstAnswers);
  gravesConformance(name, () => catalog().graves);
  leasesConformance(name, () => catalog().leases);
  policyCatalogConformance(name, () => catalog().policies);
  policyScanConformance(name, catalog);
  quotaCatalogConformance(name, () => catalog().quotas);
  replicasConformance(name, catalog);
  capacityCatalogConformance(name, catalog);
  spaceLedgerConformance(name, catalog, name === "PGlite");
  revalidationConformance(name, catalog);
  tasksConformance(name, () => catalog().tasks);
  tokenCatalogConformance(name, () => catalog().tokens);

  test(`${name} names its deployment, always alike`, async () => {
    const id = await catalog().deploymentId();
    expect(id).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
    expect(await catalog().deploymentId()).toBe(id);
  });
}
