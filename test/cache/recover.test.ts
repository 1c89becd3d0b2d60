import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { UnrecordedObjects } from "../../src/cache/recover.ts";
import { openCatalog } from "../../src/catalog/open-catalog.ts";
import type { Fence, ObjectName } from "../../src/domain/content.ts";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { fill, located, someContent } from "../catalog/records.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";

test("I2: what no row names goes among other processes at the second look, and nothing that one names by then", async () => {
  await using directory = await temporaryDirectory();
  const root = join(directory.path, "store");
  await using catalog = await openCatalog({ directory: join(directory.path, "catalog") });
  const store = await openFilesystemStore(root);
  const put = async ({ sha256, fence }: ObjectName) => {
    const path = join(root, "sha256", sha256.slice(0, 2), sha256.slice(2, 4), sha256, String(fence));
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, "bytes");
  };
  const there = async () =>
    (await readdir(join(root, "sha256"), { recursive: true, withFileTypes: true })).flatMap((entry) =>
      entry.isFile() ? [`${entry.parentPath.split("/").at(-1)}/${entry.name}`] : [],
    );
  const nameOf = ({ sha256, fence }: ObjectName) => `${sha256}/${fence}`;
  const { blob } = await located(catalog);
  const content = someContent();
  const admitted = await fill(catalog, content, blob);
  if (admitted.kind !== "admitted") throw new Error("the fill was for nothing");
  const recorded = admitted.object;
  const left = { sha256: someContent().digests.sha256, fence: await catalog.ledger.nextFence() };
  // Of a catalog that was put back: this generation is to be given yet.
  const ahead = { sha256: someContent().digests.sha256, fence: (left.fence + 1_000) as Fence };
  for (const object of [recorded, left, ahead]) await put(object);
  const objects = new UnrecordedObjects({ store, ledger: catalog.ledger, events: { emit: () => undefined } });
  const { signal } = new AbortController();
  await objects.turn(signal);
  expect((await there()).toSorted()).toEqual([recorded, left, ahead].map(nameOf).toSorted());
  // Bytes whose row is on its way.
  const late = { sha256: someContent().digests.sha256, fence: await catalog.ledger.nextFence() };
  await put(late);
  await objects.turn(signal);
  expect((await there()).toSorted()).toEqual([recorded, late, ahead].map(nameOf).toSorted());
  await catalog.recovery.restore(late, { ...someContent().digests, sha256: late.sha256 }, 5);
  await objects.turn(signal);
  expect((await there()).toSorted()).toEqual([recorded, late, ahead].map(nameOf).toSorted());
}, 60_000);
