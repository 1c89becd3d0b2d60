import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { sql } from "drizzle-orm";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { Database } from "../../src/catalog/database.ts";
import { PostgresFirstAnswers } from "../../src/catalog/first-answers.ts";
import { migrate } from "../../src/catalog/migrate.ts";
import { openPglite } from "../../src/catalog/pglite/open-pglite.ts";
import { Session } from "../../src/catalog/session.ts";
import type { FirstAnswers } from "../../src/domain/first-answers.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";

const stack = new AsyncDisposableStack();
let session: Session;
let answers: FirstAnswers;

beforeAll(async () => {
  const directory = stack.use(await temporaryDirectory());
  const database: Database = await openPglite(join(directory.path, "catalog"), 60_000);
  stack.defer(() => database.close());
  await migrate(database);
  session = new Session(database, 30_000);
  answers = new PostgresFirstAnswers(session);
});

afterAll(() => stack.disposeAsync());

/** As if it had been claimed so long ago. */
async function older(key: string, by: string): Promise<void> {
  await session.query((db) =>
    db.execute(sql`update first_answers set claimed_at = claimed_at - ${by}::interval where key = ${key}`),
  );
}

async function answered(): Promise<string> {
  const key = randomUUID();
  const claim = await answers.claim(key, "f");
  if (claim.kind === "first") await answers.keep(key, claim.claim, "answer");
  return key;
}

test("an answer is given for 24 hours, and then the key is a new one", async () => {
  const key = await answered();
  await older(key, "23 hours 59 minutes");
  expect(await answers.claim(key, "f")).toEqual({ kind: "answered", answer: "answer" });
  await older(key, "1 minute");
  expect(await answers.claim(key, "g")).toMatchObject({ kind: "first" });
});

test("what nobody asks for again is gone after 24 hours", async () => {
  const key = await answered();
  await older(key, "24 hours");
  await answers.claim(randomUUID(), "f");
  const rows = await session.query((db) => db.execute(sql`select 1 from first_answers where key = ${key}`));
  expect([...rows]).toEqual([]);
});

test("a claim whose process died is the next one's after 10 minutes, and the dead one has no say any more", async () => {
  const key = randomUUID();
  const dead = await answers.claim(key, "f");
  await older(key, "9 minutes");
  expect(await answers.claim(key, "f")).toEqual({ kind: "running" });
  await older(key, "1 minute");
  const next = await answers.claim(key, "f");
  if (dead.kind !== "first" || next.kind !== "first") throw new Error("both are first");
  await answers.keep(key, dead.claim, "late");
  expect(await answers.claim(key, "f")).toEqual({ kind: "running" });
});
