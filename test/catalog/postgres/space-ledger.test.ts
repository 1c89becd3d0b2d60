import { afterAll, beforeAll } from "vitest";
import { migrate } from "../../../src/catalog/migrate.ts";
import { openDatabase } from "../../../src/catalog/open-catalog.ts";
import { Session } from "../../../src/catalog/session.ts";
import { largeCatalog } from "../space/large.ts";
import { spaceProperty } from "../space/property.ts";
import { describeOnPostgres } from "./server.ts";

describeOnPostgres("a Postgres server", (server) => {
  const stack = new AsyncDisposableStack();
  let session: Session | undefined;

  beforeAll(async () => {
    const database = await openDatabase({ url: await server().createDatabase() });
    stack.defer(() => database.close());
    await migrate(database);
    session = new Session(database, 120_000);
  });

  afterAll(() => stack.disposeAsync());

  const opened = (): Session => {
    if (session === undefined) throw new Error("the catalog is not open");
    return session;
  };

  largeCatalog("Postgres", opened, false);
  spaceProperty("Postgres", opened, false, 800_000);
});
