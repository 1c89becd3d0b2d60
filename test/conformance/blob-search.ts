import { describe, expect, test } from "vitest";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import type { BlobSearch } from "../../src/domain/blob-search.ts";
import {
  activate,
  type CatalogPorts,
  fill,
  imageOf,
  located,
  mirrorOf,
  someContent,
  someLocation,
} from "../catalog/records.ts";

/** What every search of blobs does; `make` answers a catalog that tests share. */
export function blobSearchConformance(
  name: string,
  make: () => CatalogPorts & { readonly blobSearch: BlobSearch },
): void {
  const all = async (): Promise<readonly ArtifactId[]> => {
    const found: ArtifactId[] = [];
    for (let after: ArtifactId | undefined; ; ) {
      const page = await make().blobSearch.uncached(after, 3);
      found.push(...page.map(({ id }) => id));
      after = page.at(-1)?.id;
      if (page.length < 3 || after === undefined) return found;
    }
  };

  describe(`${name} finds blobs`, () => {
    test("by their URL, of all owners or of one, the oldest first", async () => {
      const { url } = someLocation();
      const first = await located(make(), { url });
      const second = await located(make(), { url });
      const { blobSearch } = make();
      expect(await blobSearch.artifactsAt(url, undefined)).toEqual([first.artifact.id, second.artifact.id]);
      expect(await blobSearch.artifactsAt(url, second.artifact.owner)).toEqual([second.artifact.id]);
      expect(await blobSearch.artifactsAt(`${url}?`, undefined)).toEqual([]);
    });

    test("that have no content here, of active artifacts, page by page; mirrors are none", async () => {
      const { blobs } = make();
      const active = async () => {
        const one = await located(make());
        await activate(make(), one.artifact.id);
        return one;
      };
      const drafted = await located(make());
      const [missing, other, cached] = [await active(), await active(), await active()];
      await fill(make(), someContent(), cached.blob);
      await blobs.setLocation(mirrorOf(cached.artifact, "m"), someLocation(), undefined);
      const found = await all();
      expect(found).toEqual(found.toSorted());
      expect(found).toEqual(expect.arrayContaining([missing.artifact.id, other.artifact.id]));
      expect(found).not.toContain(drafted.artifact.id);
      expect(found).not.toContain(cached.artifact.id);
      const [whole] = (await make().blobSearch.uncached(undefined, 1_000)).filter(
        ({ id }) => id === missing.artifact.id,
      );
      expect(whole?.blobs.map(({ field }) => field)).toEqual([imageOf(missing.artifact).field]);
    });
  });
}
