import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PostgresAuditCatalog } from "../../src/catalog/audit-catalog.ts";
import type { Database } from "../../src/catalog/database.ts";
import { migrate } from "../../src/catalog/migrate.ts";
import { openPglite } from "../../src/catalog/pglite/open-pglite.ts";
import { openPostgres } from "../../src/catalog/postgres/open-postgres.ts";
import { Session } from "../../src/catalog/session.ts";
import { someEntry } from "../conformance/audit-catalog.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { describeOnPostgres } from "./postgres/server.ts";

/** What holds below the port: whoever has Cistern's own rights in the database. */
function keptOn(name: string, open: () => Promise<Database>): void {
  describe(`the audit's table on ${name}`, () => {
    let database: Database | undefined;
    let session: Session;

    beforeAll(async () => {
      database = await open();
      await migrate(database);
      session = new Session(database, 30_000);
    });
    afterAll(() => database?.close());

    test.for([
      "update audit set object = 'another'",
      "delete from audit",
      "truncate audit",
      "truncate audit, artifacts cascade",
    ])("refuses: %s", async (statement) => {
      const rows = new PostgresAuditCatalog(session);
      const entry = someEntry();
      await rows.append([entry]);
      await expect(session.query((db) => db.execute(sql.raw(statement)))).rejects.toThrow();
      expect(await rows.list({ object: entry.object }, undefined, 10)).toMatchObject([entry]);
    });

    test("lets retention end with its transaction", async () => {
      const rows = new PostgresAuditCatalog(session);
      await rows.append([someEntry({ at: new Date(0) })]);
      expect(await rows.expire(new Date(1), 10)).toBe(1);
      await rows.append([someEntry()]);
      await expect(session.query((db) => db.execute(sql`delete from audit`))).rejects.toThrow();
    });
  });
}

const directories = new AsyncDisposableStack();
afterAll(() => directories.disposeAsync());

keptOn("PGlite", async () => {
  const { path } = directories.use(await temporaryDirectory());
  return await openPglite(join(path, "catalog"), 60_000);
});

describeOnPostgres("a server", (server) => {
  keptOn("Postgres", async () => await openPostgres({ url: await server().createDatabase() }, 10_000));
});
