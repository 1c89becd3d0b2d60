import { afterAll, beforeAll } from "vitest";
import { migrate } from "../../../src/catalog/migrate.ts";
import { openDatabase } from "../../../src/catalog/open-catalog.ts";
import { Session } from "../../../src/catalog/session.ts";
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

  spaceProperty(
    "Postgres",
    () => {
      if (session === undefined) throw new Error("the catalog is not open");
      return session;
    },
    false,
    800_000,
  );
});
