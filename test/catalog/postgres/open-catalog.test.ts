import { afterAll, beforeAll } from "vitest";
import { type Catalog, openCatalog } from "../../../src/catalog/open-catalog.ts";
import { catalogChangesConformance } from "../../conformance/catalog-changes.ts";
import { catalogConformance } from "../catalog-conformance.ts";
import { describeOnPostgres } from "./server.ts";

describeOnPostgres("a Postgres server", (server) => {
  let opened: { readonly one: Catalog; readonly other: Catalog } | undefined;

  beforeAll(async () => {
    const url = await server().createDatabase();
    const [one, other] = await Promise.all([openCatalog({ url }), openCatalog({ url })]);
    opened = { one, other };
  });

  afterAll(async () => {
    await Promise.all([opened?.one[Symbol.asyncDispose](), opened?.other[Symbol.asyncDispose]()]);
  });

  const both = () => {
    if (opened === undefined) throw new Error("the catalogs are not open");
    return opened;
  };

  catalogConformance("Postgres", () => both().one);
  catalogChangesConformance("Postgres", () => ({ writer: both().one, changes: both().other.changes }));
});
