import { describe, expect, test } from "vitest";
import type { Fence } from "../../src/domain/content.ts";
import type { ContentRecovery } from "../../src/domain/content-catalog.ts";
import { type CatalogPorts, fill, isCondemned, located, someContent } from "../catalog/records.ts";

type Ports = CatalogPorts & { readonly recovery: ContentRecovery };

/** What every catalog does for contents whose rows are lost; `make` answers one that tests share. */
export function contentRecoveryConformance(name: string, make: () => Ports): void {
  describe(`${name} takes lost contents back`, () => {
    const fence = async () => await make().ledger.nextFence();

    test("fences are given above the one that was told, and never go back", async () => {
      const high = ((await fence()) + 1000) as Fence;
      await make().recovery.raiseFence(high);
      const next = await fence();
      expect(next).toBeGreaterThan(high);
      await make().recovery.raiseFence(5 as Fence);
      await make().recovery.raiseFence(0 as Fence);
      expect(await fence()).toBeGreaterThan(next);
    });

    test("a content has its row again, which nothing condemns, and is evicted in its turn only", async () => {
      const { digests, size } = someContent();
      const object = { sha256: digests.sha256, fence: await fence() };
      expect(await make().recovery.restore(object, digests, size)).toBe(true);
      expect(await make().ledger.generation(digests.sha256)).toBe(object.fence);
      expect(await isCondemned(make(), digests.sha256)).toBe(false);
      const before = Date.now() - 60_000;
      const kept = (await make().contents.leastRecentlyRead(100_000)).find(
        (one) => one.object.sha256 === object.sha256,
      );
      expect(kept).toMatchObject({ object, digests, size });
      expect(kept?.lastReadAt.getTime()).toBeGreaterThan(before);
    });

    test("what has a row keeps it, and so does a fence", async () => {
      const [one, other] = [someContent(), someContent()];
      const first = { sha256: one.digests.sha256, fence: await fence() };
      await make().recovery.restore(first, one.digests, one.size);
      const later = { ...first, fence: await fence() };
      expect(await make().recovery.restore(later, one.digests, one.size)).toBe(false);
      const same = { sha256: other.digests.sha256, fence: first.fence };
      expect(await make().recovery.restore(same, other.digests, other.size)).toBe(false);
      expect(await make().ledger.generation(one.digests.sha256)).toBe(first.fence);
      expect(await make().ledger.generation(other.digests.sha256)).toBeUndefined();
    });

    test("no record may read it for knowing its digest (I6): its own fetch joins it, and keeps its object", async () => {
      const content = someContent();
      const object = { sha256: content.digests.sha256, fence: await fence() };
      await make().recovery.restore(object, content.digests, content.size);
      const { blob, ref } = await located(make(), { digests: content.digests });
      expect(await make().blobs.resolve(ref)).toMatchObject({ content: undefined, admittedElsewhere: true });
      expect(await make().blobs.joinContent(blob.id)).toBe(false);
      expect(await fill(make(), content, blob)).toEqual({ kind: "existing", object });
      expect((await make().blobs.resolve(ref))?.content?.object).toEqual(object);
    });

    test("an upload of the same bytes joins it as well", async () => {
      const content = someContent();
      const object = { sha256: content.digests.sha256, fence: await fence() };
      await make().recovery.restore(object, content.digests, content.size);
      const { ref } = await located(make());
      await make().blobs.removeLocation(ref);
      const upload = { ...content, contentType: "text/plain", fence: await fence() };
      expect(await make().blobs.setUploaded(ref, upload)).toMatchObject({ fence: object.fence });
    });
  });
}
