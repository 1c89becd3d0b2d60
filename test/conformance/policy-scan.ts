import { describe, expect, test } from "vitest";
import type { Catalog } from "../../src/catalog/open-catalog.ts";
import type { BlobId } from "../../src/domain/blob.ts";
import type { Sha256 } from "../../src/domain/digest.ts";
import type { ScannedContent, ScannedRecord } from "../../src/domain/policy-scan.ts";
import { condemn, fill, imageOf, located, newArtifact, someContent } from "../catalog/records.ts";

/** What a scan of every catalog answers; `make` answers one that tests share. */
export function policyScanConformance(name: string, make: () => Catalog): void {
  describe(`${name} is scanned for a policy`, () => {
    test("every external record comes once, with its artifact and whether its content is cached", async () => {
      const catalog = make();
      const content = someContent();
      const cached = await located(catalog, {}, { tags: ["prod"], owner: "scanned" });
      await fill(catalog, content, cached.blob);
      const cold = await located(catalog, { url: "https://cold.example/x" });
      const { id } = await catalog.artifacts.create(newArtifact());
      const fence = await catalog.ledger.nextFence();
      await catalog.blobs.setUploaded(imageOf({ id }), { ...someContent(), contentType: "text/plain", fence });
      const all: ScannedRecord[] = [];
      for (let after: BlobId | undefined; ; ) {
        const page = await catalog.policyScan.records(after, 3);
        all.push(...page);
        after = page.at(-1)?.blob.id;
        if (page.length < 3) break;
      }
      expect(new Set(all.map(({ blob }) => blob.id)).size).toBe(all.length);
      expect(all.every(({ blob }) => blob.location?.kind === "external")).toBe(true);
      const found = (blob: BlobId) => all.find((record) => record.blob.id === blob);
      expect(found(cached.blob.id)).toMatchObject({ cached: true, artifact: { owner: "scanned", tags: ["prod"] } });
      expect(found(cold.blob.id)).toMatchObject({
        cached: false,
        blob: { location: { url: "https://cold.example/x" } },
      });
    });

    test("what somebody has asked for is found by its blob, uploaded too, and what is gone is left out", async () => {
      const catalog = make();
      const external = await located(catalog, {}, { tags: ["asked"] });
      const { id } = await catalog.artifacts.create(newArtifact());
      const fence = await catalog.ledger.nextFence();
      await catalog.blobs.setUploaded(imageOf({ id }), { ...someContent(), contentType: "text/plain", fence });
      const internal = await catalog.blobs.resolve(imageOf({ id }));
      if (internal === undefined) throw new Error("it was uploaded");
      const asked = [internal.blob.id, "gone" as BlobId, external.blob.id];
      const found = await catalog.policyScan.recordsOf(asked);
      expect(found.map(({ blob }) => blob.id).sort()).toEqual([internal.blob.id, external.blob.id].sort());
      const ofId = (blob: BlobId) => found.find((record) => record.blob.id === blob);
      expect(ofId(external.blob.id)).toMatchObject({ artifact: { tags: ["asked"] }, blob: external.blob });
      expect(ofId(internal.blob.id)).toMatchObject({ blob: { artifactId: id, location: { kind: "internal" } } });
      expect(await catalog.policyScan.recordsOf([])).toEqual([]);
    });

    test("contents are kept as long as they are told to be, and no others", async () => {
      const catalog = make();
      const [one, other] = [someContent(), someContent()];
      for (const content of [one, other]) await fill(catalog, content, (await located(catalog)).blob);
      const found = async ({ digests: { sha256 } }: typeof one) => {
        for (let after: Sha256 | undefined; ; ) {
          const page = await catalog.policyScan.contents(after, 50);
          const content = page.find((each) => each.sha256 === sha256);
          after = page.at(-1)?.sha256;
          if (content !== undefined || page.length < 50) return content;
        }
      };
      const [keepUntil, dropAfter] = [new Date("2030-01-02T03:04:05.678Z"), new Date("2031-01-01T00:00:00Z")];
      const { sha256 } = one.digests;
      await catalog.policyScan.keep([{ sha256, keepUntil, dropAfter }]);
      expect(await found(one)).toMatchObject({ keepUntil, dropAfter });
      expect(await found(other)).toMatchObject({ keepUntil: undefined, dropAfter: undefined });
      await catalog.policyScan.keep([{ sha256, keepUntil: undefined, dropAfter }]);
      expect(await found(one)).toMatchObject({ keepUntil: undefined, dropAfter });
    });

    test("a least age that is over is none, and writes nothing when there was none", async () => {
      const catalog = make();
      const content = someContent();
      await fill(catalog, content, (await located(catalog)).blob);
      const { sha256 } = content.digests;
      const [past, future] = [new Date("2020-01-01T00:00:00Z"), new Date("2030-01-01T00:00:00Z")];
      const keep = (keepUntil: Date) => catalog.policyScan.keep([{ sha256, keepUntil, dropAfter: undefined }]);
      expect([await keep(past), await keep(future), await keep(future), await keep(past)]).toEqual([0, 1, 0, 1]);
    });

    test("every admitted content comes once with all its records; uploaded and condemned ones do not", async () => {
      const catalog = make();
      const [shared, internal, gone] = [someContent(), someContent(), someContent()];
      const [one, two] = [await located(catalog), await located(catalog)];
      await fill(catalog, shared, one.blob, two.blob);
      await fill(catalog, gone, (await located(catalog)).blob);
      await condemn(catalog, gone.digests.sha256);
      const { id } = await catalog.artifacts.create(newArtifact());
      const fence = await catalog.ledger.nextFence();
      await catalog.blobs.setUploaded(imageOf({ id }), { ...internal, contentType: "text/plain", fence });
      const all: ScannedContent[] = [];
      for (let after: Sha256 | undefined; ; ) {
        const page = await catalog.policyScan.contents(after, 2);
        all.push(...page);
        after = page.at(-1)?.sha256;
        if (page.length < 2) break;
      }
      const found = all.filter(({ sha256 }) => sha256 === shared.digests.sha256);
      expect(found).toHaveLength(1);
      expect(found[0]?.records.map(({ blob }) => blob.id).sort()).toEqual([one.blob.id, two.blob.id].sort());
      expect(found[0]).toMatchObject({ size: shared.size, held: false });
      const digests: readonly string[] = all.map(({ sha256 }) => sha256);
      expect(digests).not.toContain(internal.digests.sha256);
      expect(digests).not.toContain(gone.digests.sha256);
    });
  });
}
