import { mkdir, readdir, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { removeUnrecorded } from "../../src/cache/recover.ts";
import { openCatalog } from "../../src/catalog/open-catalog.ts";
import type { Fence, ObjectName } from "../../src/domain/content.ts";
import type { ContentStore } from "../../src/domain/content-store.ts";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { fill, located, someContent } from "../catalog/records.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { but } from "../support/but.ts";

const WEEK_MS = 7 * 24 * 3_600_000;

test("I2: what no row names goes; among other processes when it is a week old", async () => {
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
  const ports = { store, ledger: catalog.ledger, events: { emit: () => undefined } };
  const { signal } = new AbortController();
  // Among other processes: a row may be on its way.
  const week = new Date(Date.now() - WEEK_MS);
  expect(await removeUnrecorded({ ...ports, store: written(store, new Date()) }, signal, week)).toBe(0);
  // A listing that does not tell how old they are.
  expect(await removeUnrecorded(ports, signal, week)).toBe(0);
  expect((await there()).toSorted()).toEqual([recorded, left, ahead].map(nameOf).toSorted());
  const old = new Date(week.getTime() - 1);
  expect(await removeUnrecorded({ ...ports, store: written(store, old) }, signal, week)).toBe(1);
  expect((await there()).toSorted()).toEqual([recorded, ahead].map(nameOf).toSorted());
  // Alone, nothing is on its way.
  const later = { sha256: someContent().digests.sha256, fence: await catalog.ledger.nextFence() };
  await put(later);
  expect(await removeUnrecorded(ports, signal)).toBe(1);
  expect((await there()).toSorted()).toEqual([recorded, ahead].map(nameOf).toSorted());
}, 60_000);

/** A store that tells of its objects that they came then. */
function written(store: ContentStore, writtenAt: Date): ContentStore {
  return but(store, {
    list: async function* (signal) {
      for await (const object of store.list(signal)) yield { ...object, writtenAt };
    },
  });
}
