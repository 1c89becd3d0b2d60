import { afterAll, beforeAll } from "vitest";
import { type Catalog, openCatalog } from "../../../src/catalog/open-catalog.ts";
import { catalogConformance } from "../catalog-conformance.ts";
import { describeOnPostgres } from "./server.ts";

describeOnPostgres("a Postgres server", (server) => {
  let opened: Catalog | undefined;

  beforeAll(async () => {
    opened = await openCatalog({ url: await server().createDatabase() });
  });

  afterAll(async () => {
    await opened?.[Symbol.asyncDispose]();
  });

  catalogConformance("Postgres", () => {
    if (opened === undefined) throw new Error("the catalog is not open");
    return opened;
  });
});
