import { describe, expect, test } from "vitest";
import type { Blocks } from "../../src/domain/blocks.ts";
import { type CatalogPorts, condemn, fill, imageOf, located, newArtifact, someContent } from "../catalog/records.ts";

/** What all blocks do, and those who let bytes in obey. */
export function blocksConformance(name: string, make: () => CatalogPorts & { readonly blocks: Blocks }): void {
  describe(`${name} blocks bytes`, () => {
    test("that it may never have had, with a reason, until the block is lifted", async () => {
      const { sha256 } = someContent().digests;
      const { blocks } = make();
      expect(await blocks.find(sha256)).toBeUndefined();
      const put = await blocks.put(sha256, "recalled", "admin");
      expect(put).toMatchObject({ sha256, reason: "recalled", blockedBy: "admin" });
      expect(await blocks.find(sha256)).toEqual(put);
      expect(await blocks.list()).toContainEqual(put);
      expect((await blocks.put(sha256, "worse", "other")).reason).toBe("worse");
      expect((await blocks.lift(sha256))?.reason).toBe("worse");
      expect([await blocks.lift(sha256), await blocks.find(sha256)]).toEqual([undefined, undefined]);
    });

    test("neither fetched nor uploaded ones are admitted", async () => {
      const content = someContent();
      const { sha256 } = content.digests;
      await make().blocks.put(sha256, "recalled", "admin");
      const { blob } = await located(make());
      await expect(fill(make(), content, blob)).rejects.toMatchObject({ code: "content-blocked" });
      const { id } = await make().artifacts.create(newArtifact());
      const upload = { ...content, contentType: "application/octet-stream", fence: await make().ledger.nextFence() };
      await expect(make().blobs.setUploaded(imageOf({ id }), upload)).rejects.toMatchObject({
        code: "content-blocked",
      });
      expect(await make().ledger.generation(sha256)).toBeUndefined();
      await make().blocks.lift(sha256);
      expect((await fill(make(), content, blob)).kind).toBe("admitted");
    });

    test("outlive the content and its row", async () => {
      const content = someContent();
      const { sha256 } = content.digests;
      const { blob } = await located(make());
      const admitted = await fill(make(), content, blob);
      if (admitted.kind === "unreferenced") throw new Error("the fill was for nothing");
      await make().blocks.put(sha256, "recalled", "admin");
      expect(await condemn(make(), sha256)).toBe(true);
      expect(await make().contents.forget(admitted.object)).toBe(true);
      expect((await make().blocks.find(sha256))?.reason).toBe("recalled");
    });
  });
}
