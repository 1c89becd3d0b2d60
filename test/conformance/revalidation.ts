import { describe, expect, test } from "vitest";
import type { DueContent, DueCursor, Revalidation } from "../../src/domain/revalidation.ts";
import {
  type CatalogPorts,
  fill,
  fillFrom,
  imageOf,
  located,
  mirrorOf,
  newArtifact,
  someContent,
  someLocation,
} from "../catalog/records.ts";

/** What all revalidations do; tests share one catalog. */
export function revalidationConformance(
  name: string,
  ports: () => CatalogPorts & { readonly revalidation: Revalidation },
) {
  const all = async (before = new Date(Date.now() + 60_000)): Promise<DueContent[]> => {
    const found: DueContent[] = [];
    for (let after: DueCursor | undefined; ; ) {
      const page = await ports().revalidation.due(before, after, 7);
      found.push(...page.contents);
      after = page.next;
      if (after === undefined) return found;
    }
  };
  const admitted = async () => {
    const content = someContent();
    const { sha256 } = content.digests;
    const { blob, artifact } = await located(ports(), { digests: { sha256 } });
    await fill(ports(), content, blob);
    const due = async () => (await all()).find((one) => one.sha256 === sha256);
    return { content, sha256, blob, artifact, due };
  };

  describe(`${name} keeps what is irreplaceable`, () => {
    test("I5, I7: what the store does not deliver for now is quarantined, and nothing of it is removed", async () => {
      const { contents, revalidation, ledger, blobs } = ports();
      const { content, sha256, blob } = await admitted();
      await revalidation.conclude(sha256, true);
      const fence = await ledger.generation(sha256);
      if (fence === undefined) throw new Error("it was not admitted");
      expect(await contents.condemn({ sha256, fence })).toBe(true);
      expect(await contents.condemned(100_000)).not.toContainEqual({ sha256, fence });
      expect((await blobs.resolve(blob))?.content).toBeUndefined();
      // A location delivers it again, after all: then it is like any other.
      const again = await fillFrom(ports(), { project: "p", origin: "origin.example" }, content, blob);
      if (again.kind !== "admitted") throw new Error("it was not admitted anew");
      expect(await contents.condemn(again.object)).toBe(true);
      expect(await contents.condemned(100_000)).toContainEqual(again.object);
    });
  });

  describe(`${name} tells whose origins are to be asked`, () => {
    test("every cached content once, with all locations that may bring it, what was never asked first", async () => {
      const one = await admitted();
      const mirror = await ports().blobs.setLocation(mirrorOf(one.artifact, "m"), someLocation(), undefined);
      const other = await admitted();
      const twin = await located(ports(), { digests: { sha256: one.sha256 } });
      const found = (await one.due())?.locations.map(({ blob }) => blob.id);
      expect(found?.sort()).toEqual([one.blob.id, mirror.id, twin.blob.id].sort());
      expect(await one.due()).toMatchObject({ size: one.content.size, irreplaceable: false, revalidatedAt: undefined });
      await ports().revalidation.conclude(one.sha256, undefined);
      const order = (await all()).map(({ sha256 }) => sha256);
      expect(new Set(order).size).toBe(order.length);
      expect(order.indexOf(other.sha256)).toBeLessThan(order.indexOf(one.sha256));
      expect((await all(new Date(Date.now() - 60_000))).some(({ sha256 }) => sha256 === one.sha256)).toBe(false);
    });

    test("nothing that was uploaded", async () => {
      const content = someContent();
      const { id } = await ports().artifacts.create(newArtifact());
      const fence = await ports().ledger.nextFence();
      const upload = { ...content, contentType: "application/octet-stream", fence };
      await ports().blobs.setUploaded(imageOf({ id }), upload);
      expect((await all()).some(({ sha256 }) => sha256 === content.digests.sha256)).toBe(false);
    });

    test("what was said of a URL, until the blob has another one", async () => {
      const { blob, artifact, due } = await admitted();
      if (blob.location?.kind !== "external") throw new Error("it has no location");
      const { url } = blob.location;
      const check = { delivers: true, size: 5, validator: 'etag "a"' };
      await ports().revalidation.note(blob.id, url, check);
      expect((await due())?.locations[0]?.check).toEqual(check);
      const gone = { delivers: false, size: undefined, validator: undefined };
      await ports().revalidation.note(blob.id, url, gone);
      expect((await due())?.locations[0]?.check).toEqual(gone);
      await ports().blobs.setLocation(imageOf(artifact), someLocation(), url);
      expect((await due())?.locations[0]?.check).toBeUndefined();
      await ports().artifacts.remove(artifact.id);
      await ports().revalidation.note(blob.id, url, gone);
    });

    test("I5: irreplaceable content is not evicted, until one of its locations delivers it again", async () => {
      const { sha256, due } = await admitted();
      await ports().revalidation.conclude(sha256, true);
      expect((await due())?.irreplaceable).toBe(true);
      await ports().revalidation.conclude(sha256, undefined);
      expect((await due())?.irreplaceable).toBe(true);
      await ports().revalidation.conclude(sha256, false);
      expect((await due())?.irreplaceable).toBe(false);
    });
  });
}
