import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { describe, expect, test } from "vitest";
import { openPglite } from "../../../src/catalog/pglite/open-pglite.ts";
import { Session } from "../../../src/catalog/session.ts";
import { isCisternError } from "../../../src/domain/errors.ts";
import { temporaryDirectory } from "../../store/temporary-directory.ts";
import { catalogDirectories } from "../catalog-directory.ts";

const emptyCatalog = catalogDirectories();
const thread = (name: string) => new URL(`./${name}.ts`, import.meta.url);
const unavailable = { code: "catalog-unavailable" };
const ask = (session: Session) => session.query((db) => db.execute(sql`select 1`));

describe("a thread that dies", () => {
  test("fails what is in flight, and what comes after it, at once and for good", async () => {
    const database = await openPglite("unused", 10_000, thread("dying-thread"));
    const session = new Session(database, 10_000);
    const began = performance.now();
    const inFlight = [ask(session), ask(session), session.transaction((tx) => tx.execute(sql`select 1`))];
    for (const outcome of await Promise.allSettled(inFlight)) {
      expect(outcome).toMatchObject({ status: "rejected", reason: unavailable });
    }
    expect(database.lost.aborted).toBe(true);
    await expect(ask(session)).rejects.toMatchObject(unavailable);
    await expect(session.transaction((tx) => tx.execute(sql`select 1`))).rejects.toMatchObject(unavailable);
    expect(performance.now() - began).toBeLessThan(5_000);
    await database.close();
  });

  test("before it is ready fails the start", async () => {
    await expect(openPglite("unused", 10_000, thread("stillborn-thread"))).rejects.toMatchObject(unavailable);
  });

  test("says why only in the cause", async () => {
    const error: unknown = await openPglite("unused", 10_000, thread("stillborn-thread")).catch((e: unknown) => e);
    if (!isCisternError(error)) throw error;
    expect(error.message).toBe("the catalog is not available");
    expect(error.cause).toMatchObject({ message: expect.stringContaining("no catalog today") });
  });
});

describe("a thread that does not answer", () => {
  test("a query and a transaction end after their time", async () => {
    const database = await openPglite("unused", 10_000, thread("silent-thread"));
    const session = new Session(database, 50);
    await expect(ask(session)).rejects.toMatchObject(unavailable);
    await expect(session.transaction((tx) => tx.execute(sql`select 1`))).rejects.toMatchObject(unavailable);
    await database.close();
  });

  test("a start ends after its time", async () => {
    await expect(openPglite("unused", 50, thread("sleeping-thread"))).rejects.toMatchObject(unavailable);
  });
});

test("a directory that holds something else is not touched", { timeout: 60_000 }, async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, "catalog");
  await mkdir(path);
  await writeFile(join(path, "letter"), "mine");
  await expect(openPglite(path, 60_000)).rejects.toMatchObject(unavailable);
});

describe("a session", () => {
  test("a transaction that is too late writes nothing, and the next one works", { timeout: 60_000 }, async () => {
    await using directory = await emptyCatalog();
    const database = await openPglite(directory.path, 60_000);
    const patient = new Session(database, 20_000);
    const hasty = new Session(database, 100);
    await patient.query((db) => db.execute(sql`create table notes (text text)`));
    const slow = hasty.transaction(async (tx) => {
      await tx.execute(sql`insert into notes values ('late')`);
      await tx.execute(sql`select sum(sqrt(n)) from generate_series(1, 1000000) n`);
    });
    await expect(slow).rejects.toMatchObject(unavailable);
    await patient.transaction((tx) => tx.execute(sql`insert into notes values ('in time')`));
    expect([...(await patient.query((db) => db.execute(sql`select text from notes`)))]).toEqual([{ text: "in time" }]);
    await database.close();
    await expect(ask(patient)).rejects.toMatchObject(unavailable);
  });

  test("errors carry no SQL and no parameter, not even as their cause", { timeout: 60_000 }, async () => {
    await using directory = await emptyCatalog();
    const database = await openPglite(directory.path, 60_000);
    const session = new Session(database, 20_000);
    const secret = "https://user:hunter2@origin.example/";
    const failing = [
      session.query((db) => db.execute(sql`select * from nowhere where url = ${secret}`)),
      session.query((db) => db.execute(sql`select ${secret}::int`)),
      session.transaction((tx) => tx.execute(sql`select ${secret}::int`)),
    ];
    for (const outcome of await Promise.allSettled(failing)) {
      if (outcome.status === "fulfilled") throw new Error("it did not fail");
      const error: unknown = outcome.reason;
      const told: string[] = [];
      for (let at: unknown = error; at instanceof Error; at = at.cause) {
        told.push(
          at.message,
          JSON.stringify(
            at,
            Object.getOwnPropertyNames(at).filter((name) => name !== "stack"),
          ),
        );
      }
      expect(told.join("\n")).not.toMatch(/hunter2|nowhere|select/);
      expect(isCisternError(error)).toBe(true);
    }
    await database.close();
  });
});
