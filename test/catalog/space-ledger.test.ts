import { join } from "node:path";
import { afterAll, beforeAll } from "vitest";
import type { Database } from "../../src/catalog/database.ts";
import { openDatabase } from "../../src/catalog/open-catalog.ts";
import { Session } from "../../src/catalog/session.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { largeCatalog } from "./space/large.ts";
import { spaceProperty } from "./space/property.ts";

const stack = new AsyncDisposableStack();
let session: Session | undefined;

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  const database: Database = await openDatabase({ directory: join(path, "catalog") });
  stack.defer(() => database.close());
  session = new Session(database, 120_000);
});

afterAll(() => stack.disposeAsync());

const opened = (): Session => {
  if (session === undefined) throw new Error("the catalog is not open");
  return session;
};

largeCatalog("PGlite", opened, true);
spaceProperty("PGlite", opened, true, 200_000);
