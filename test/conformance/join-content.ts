import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { BlobId } from "../../src/domain/blob.ts";
import type { NewLocation } from "../../src/domain/blob-catalog.ts";
import {
  activate,
  type CatalogPorts,
  condemn,
  fill,
  imageOf,
  located,
  newArtifact,
  someContent,
  type TestContent,
} from "../catalog/records.ts";

/** Who may read content that somebody else has fetched (I6): a part of the blob catalog's suite. */
export function joinContentConformance(ports: () => CatalogPorts): void {
  describe("I6: joinContent", () => {
    const url = () => `https://origin.example/${randomUUID()}`;

    async function fetched(content: TestContent, location: Partial<NewLocation> = {}, owner?: string) {
      const made = await located(ports(), location, owner === undefined ? {} : { owner });
      await fill(ports(), content, made.blob);
      return made;
    }

    test("knowing a digest is no right to the bytes", async () => {
      const content = someContent();
      await fetched(content);
      const stranger = await located(ports(), { digests: content.digests });
      expect(await ports().blobs.joinContent(stranger.blob.id)).toBe(false);
      expect((await ports().blobs.resolve(stranger.ref))?.content).toBeUndefined();
    });

    test("the same URL is no way in: what was earned may have come from elsewhere", async () => {
      const content = someContent();
      const same = url();
      await fetched(content, { url: same });
      const { blob } = await located(ports(), { url: same, digests: { sha256: content.digests.sha256 } });
      expect(await ports().blobs.joinContent(blob.id)).toBe(false);
    });

    test("a record of the same project joins, whatever its URL", async () => {
      const content = someContent();
      const owner = randomUUID();
      await fetched(content, {}, owner);
      const { blob, ref } = await located(ports(), { digests: { sha256: content.digests.sha256 } }, { owner });
      expect(await ports().blobs.joinContent(blob.id)).toBe(true);
      const resolved = await ports().blobs.resolve(ref);
      expect(resolved?.content?.digests).toEqual(content.digests);
      expect(resolved?.blob).toMatchObject({ digests: content.digests, size: content.size, digestSource: "given" });
      expect(await ports().blobs.joinContent(blob.id)).toBe(true);
    });

    test("a record of the same project joins, also on account of an upload", async () => {
      const { artifacts, blobs, ledger } = ports();
      const content = someContent();
      const owner = randomUUID();
      const artifact = await artifacts.create(newArtifact({ owner }));
      const fence = await ledger.nextFence();
      await blobs.setUploaded(imageOf(artifact), { ...content, contentType: "a/b", fence });
      const own = await located(ports(), { digests: content.digests }, { owner });
      const foreign = await located(ports(), { digests: content.digests });
      expect(await blobs.joinContent(own.blob.id)).toBe(true);
      expect(await blobs.joinContent(foreign.blob.id)).toBe(false);
    });

    test("what is public and active opens the content to all, a draft or a withdrawn one does not", async () => {
      const { artifacts, blobs } = ports();
      const content = someContent();
      const { artifact } = await fetched(content);
      const { blob } = await located(ports(), { digests: content.digests });
      await activate(ports(), artifact.id);
      expect(await blobs.joinContent(blob.id)).toBe(false);
      const shown = await activate(ports(), artifact.id, true);
      const hidden = await artifacts.update(artifact.id, shown.revision, { status: "deactivated" });
      expect(await blobs.joinContent(blob.id)).toBe(false);
      await artifacts.update(artifact.id, hidden.revision, { status: "active" });
      expect(await blobs.joinContent(blob.id)).toBe(true);
    });

    test("a record without a sha256 never joins, whatever else it knows", async () => {
      const content = someContent();
      const owner = randomUUID();
      await fetched(content, {}, owner);
      const { md5, sha512 } = content.digests;
      const { blob } = await located(ports(), { digests: { md5, sha512 }, size: content.size }, { owner });
      expect(await ports().blobs.joinContent(blob.id)).toBe(false);
    });

    test.each([
      ["another md5", { md5: "0".repeat(32) }, undefined],
      ["another size", {}, 1],
    ])("a record that says %s does not join", async (_, wrong, size) => {
      const content = someContent();
      const owner = randomUUID();
      await fetched(content, {}, owner);
      const digests = { sha256: content.digests.sha256, ...wrong };
      const { blob, ref } = await located(ports(), { digests, size }, { owner });
      expect(await ports().blobs.joinContent(blob.id)).toBe(false);
      expect((await ports().blobs.resolve(ref))?.blob).toEqual(blob);
    });

    test("nobody joins condemned content, and who had earned evicted content has not any more", async () => {
      const { blobs } = ports();
      const content = someContent();
      const owner = randomUUID();
      const { blob } = await fetched(content, {}, owner);
      expect(await condemn(ports(), content.digests.sha256)).toBe(true);
      const next = await located(ports(), { digests: content.digests }, { owner });
      expect(await blobs.joinContent(next.blob.id)).toBe(false);
      expect(await blobs.joinContent(blob.id)).toBe(false);
    });

    test("a blob that is gone joins nothing", async () => {
      expect(await ports().blobs.joinContent(randomUUID() as BlobId)).toBe(false);
    });

    test("joining keeps the content when the first record goes", async () => {
      const { artifacts, blobs } = ports();
      const content = someContent();
      const owner = randomUUID();
      const first = await fetched(content, {}, owner);
      const second = await located(ports(), { digests: content.digests }, { owner });
      await blobs.joinContent(second.blob.id);
      await artifacts.remove(first.artifact.id);
      expect((await blobs.resolve(second.ref))?.content).toBeDefined();
    });
  });
}
