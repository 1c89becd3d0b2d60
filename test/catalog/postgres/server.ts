import { afterAll, beforeAll, describe } from "vitest";
import { requirePostgres, startPostgres, type TestPostgres } from "../../support/postgres.ts";

/** Tests over one server, which all tests of the file share; skipped by name where there is no Postgres. */
export function describeOnPostgres(name: string, tests: (server: () => TestPostgres) => void): void {
  describe.skipIf(!requirePostgres())(name, () => {
    let started: TestPostgres | undefined;
    beforeAll(async () => {
      started = await startPostgres();
    });
    afterAll(async () => {
      await started?.[Symbol.asyncDispose]();
    });
    tests(() => {
      if (started === undefined) throw new Error("the server is not started");
      return started;
    });
  });
}
