import { join } from "node:path";
import { expect, test } from "vitest";
import { openCatalog } from "../../src/catalog/open-catalog.ts";
import type { FillId } from "../../src/domain/fill-entry.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";

test("a catalog that is away while claims are renewed is told once, and ends no process", async () => {
  await using directory = await temporaryDirectory();
  const unheard: unknown[] = [];
  const onUnheard = (reason: unknown) => unheard.push(reason);
  const catalog = await openCatalog({ directory: join(directory.path, "catalog") });
  await catalog[Symbol.asyncDispose]();
  const before = process.listeners("unhandledRejection");
  process.removeAllListeners("unhandledRejection").on("unhandledRejection", onUnheard);
  try {
    const progress = { id: "fill" as FillId, bytes: 0, total: undefined, rate: 0, followers: 0 };
    const renewed = catalog.fillWork.renew("holder", [progress], 1_000);
    await expect(renewed).rejects.toMatchObject({ code: "catalog-unavailable" });
    await new Promise(setImmediate);
    expect(unheard).toEqual([]);
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of before) process.on("unhandledRejection", listener);
  }
}, 60_000);
