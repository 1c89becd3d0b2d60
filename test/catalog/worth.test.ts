import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { catalogOver } from "../../src/catalog/catalog.ts";
import { openDatabase } from "../../src/catalog/open-catalog.ts";
import { type Worth, worthAfterRead, worthOfNew } from "../../src/domain/eviction.ts";
import { catalogDirectories } from "./catalog-directory.ts";
import { fill, located, someContent } from "./records.ts";

const directories = catalogDirectories();
const noLimit = new AbortController().signal;

test("reads make content worth in SQL what they make it worth in the domain", { timeout: 120_000 }, async () => {
  await using directory = await directories();
  const database = await openDatabase({ directory: directory.path });
  await using catalog = catalogOver(database, 15_000);
  const setInflation = (value: number) =>
    database.query((db) => db.execute(sql`update capacity set inflation = ${value}`), noLimit);
  await setInflation(5);
  const content = someContent();
  await fill(catalog, content, (await located(catalog)).blob);
  const { sha256 } = content.digests;
  const inCatalog = async (): Promise<Worth> => {
    const [row] = await database.query(
      (db) => db.execute<{ turns: number; value: number }>(sql`select turns, value from contents`),
      noLimit,
    );
    return { turns: Number(row?.turns), value: Number(row?.value) };
  };

  let worth = worthOfNew(5);
  expect(await inCatalog()).toEqual(worth);
  for (const [inflation, count] of [
    [5, 1],
    [5, 300],
    [6, 2],
    [6, 1],
    [7, 1],
    [9, 5],
    [9, 1],
    [40, 1],
  ] as const) {
    await setInflation(inflation);
    await catalog.ledger.touch(new Map([[sha256, { at: new Date(), count }]]));
    worth = worthAfterRead(worth, inflation);
    expect(await inCatalog()).toEqual(worth);
  }
});
