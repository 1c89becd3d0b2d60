import { describe, expect, test } from "vitest";
import type { ObjectName } from "../../src/domain/content.ts";
import type { ContentCare, ScrubCursor } from "../../src/domain/content-care.ts";
import type { ContentCursor, ContentInventory, ContentOrder } from "../../src/domain/content-inventory.ts";
import {
  type CatalogPorts,
  fill,
  imageOf,
  isCondemned,
  located,
  mirrorOf,
  newArtifact,
  someContent,
  someLocation,
  type TestContent,
} from "../catalog/records.ts";

type Ports = CatalogPorts & { readonly care: ContentCare; readonly inventory: ContentInventory };

/** What looks after contents, and what lists them. */
export function contentCareConformance(name: string, ports: () => Ports): void {
  const admitted = async (content: TestContent = someContent()) => {
    const { blob, ref, artifact } = await located(ports());
    const answer = await fill(ports(), content, blob);
    if (answer.kind === "unreferenced") throw new Error("the fill was for nothing");
    return { content, blob, ref, artifact, object: answer.object, sha256: content.digests.sha256 };
  };
  const uploaded = async (content: TestContent = someContent()) => {
    const { id } = await ports().artifacts.create(newArtifact());
    const fence = await ports().ledger.nextFence();
    const ref = imageOf({ id });
    await ports().blobs.setUploaded(ref, { ...content, contentType: "application/octet-stream", fence });
    return { ref, sha256: content.digests.sha256, object: { sha256: content.digests.sha256, fence } };
  };

  describe(`${name} purges`, () => {
    test("cached content, whose blobs keep their digests and have it no more", async () => {
      const { sha256, ref } = await admitted();
      expect(await ports().care.purge(sha256, false)).toBe("condemned");
      expect(await isCondemned(ports(), sha256)).toBe(true);
      const resolved = await ports().blobs.resolve(ref);
      expect([resolved?.content, resolved?.blob.digests.sha256]).toEqual([undefined, sha256]);
      expect(await ports().care.purge(sha256, true)).toBe("absent");
    });

    test("I5: nothing that an internal blob names, whatever is forced", async () => {
      const { sha256 } = await uploaded();
      expect(await ports().care.purge(sha256, true)).toBe("internal");
      expect((await ports().inventory.find(sha256))?.state).toBe("admitted");
    });

    test("nothing that is not there", async () => {
      expect(await ports().care.purge(someContent().digests.sha256, true)).toBe("absent");
    });

    test("quarantined content, too", async () => {
      const { sha256, object } = await admitted();
      await ports().care.quarantine(object);
      expect(await ports().care.purge(sha256, false)).toBe("condemned");
    });
  });

  describe(`${name} quarantines`, () => {
    test("what is then neither served nor joined, and comes back under another object by a fill", async () => {
      const { sha256, object, ref, blob, content } = await admitted();
      expect(await ports().care.quarantine(object)).toBe(true);
      expect(await ports().care.quarantine(object)).toBe(false);
      expect((await ports().blobs.resolve(ref))?.content).toBeUndefined();
      const other = await located(ports(), { digests: { sha256 } }, {});
      expect(await ports().blobs.joinContent(other.blob.id)).toBe(false);
      const listed = await ports().care.quarantined(100_000);
      expect(listed).toContainEqual({ object, size: content.size });
      const again = await fill(ports(), content, blob);
      expect(again).toMatchObject({ kind: "admitted", replaced: object });
      expect((await ports().blobs.resolve(ref))?.content?.object).not.toEqual(object);
    });

    test("nothing that lies under another object by now", async () => {
      const { object } = await admitted();
      const before = { ...object, fence: (object.fence - 1) as ObjectName["fence"] };
      expect(await ports().care.quarantine(before)).toBe(false);
    });

    test("uploaded bytes, until they are whole again under the same or a new object", async () => {
      const { object, ref } = await uploaded();
      await ports().care.quarantine(object);
      expect((await ports().blobs.resolve(ref))?.content).toBeUndefined();
      const fence = await ports().ledger.nextFence();
      expect(await ports().care.release(object, fence)).toBe(true);
      expect((await ports().blobs.resolve(ref))?.content?.object.fence).toBe(fence);
      expect(await ports().care.release(object, fence)).toBe(false);
    });

    test("what goes with its last record", async () => {
      const { object, sha256, artifact } = await admitted();
      await ports().care.quarantine(object);
      await ports().artifacts.remove(artifact.id);
      expect(await isCondemned(ports(), sha256)).toBe(true);
    });
  });

  describe(`${name} tells what to scrub`, () => {
    const cycle = async (before: Date): Promise<string[]> => {
      const seen: string[] = [];
      for (let after: ScrubCursor | undefined; ; ) {
        const page = await ports().care.toScrub(before, after, 3);
        seen.push(...page.items.map(({ object }) => object.sha256));
        after = page.next;
        if (after === undefined) return seen;
      }
    };

    test("every admitted content once in a cycle, longest unread first; none that came since", async () => {
      const contents = [await admitted(), await uploaded(), await admitted()];
      for (const { object } of contents) await ports().care.noteScrubbed(object);
      const fresh = await admitted();
      const before = new Date(Date.now() + 1000);
      const seen = await cycle(before);
      expect(new Set(seen).size).toBe(seen.length);
      const places = contents.map(({ sha256 }) => seen.indexOf(sha256));
      expect(places).toEqual([...places].sort((a, b) => a - b));
      expect(places.includes(-1)).toBe(false);
      expect(seen.indexOf(fresh.sha256)).toBeLessThan(places[0] ?? 0);
      expect(await cycle(new Date(0))).toEqual([]);
      const resumed = await ports().care.toScrub(before, { scrubbedAt: "", sha256: "f".repeat(64) }, 10_000);
      expect(resumed.items.map(({ object }) => object.sha256)).toEqual(
        expect.arrayContaining(contents.map((one) => one.sha256)),
      );
      expect(resumed.items.some(({ object }) => object.sha256 === fresh.sha256)).toBe(false);
    });
  });

  describe(`${name} lists contents`, () => {
    /** Five contents that one artifact has: the mirrors of an image. */
    const several = async () => {
      const { id, name } = await ports().artifacts.create(newArtifact());
      const made = [];
      for (let n = 0; n < 5; n += 1) {
        const content = { ...someContent(), size: 100 + n * 10 };
        const location = someLocation({ digests: { sha256: content.digests.sha256 } });
        const blob = await ports().blobs.setLocation(mirrorOf({ id }, `m${n}`), location, undefined);
        const answer = await fill(ports(), content, blob);
        if (answer.kind === "unreferenced") throw new Error("the fill was for nothing");
        made.push({ sha256: content.digests.sha256, object: answer.object });
      }
      return { artifact: id, name, made };
    };

    test.each<ContentOrder>(["sha256", "size", "last_read", "admitted"])(
      "by %s, page by page, both ways",
      async (order) => {
        const { artifact, name, made } = await several();
        const walk = async (descending: boolean) => {
          const seen: string[] = [];
          for (let after: ContentCursor | undefined; ; ) {
            const page = await ports().inventory.list({ filter: { artifact }, order, descending, limit: 2, after });
            seen.push(...page.contents.map(({ object }) => object.sha256));
            expect(page.contents.every(({ artifactName }) => artifactName === name)).toBe(true);
            after = page.next;
            if (after === undefined) return seen;
          }
        };
        const up = await walk(false);
        const expected = made.map(({ sha256 }) => sha256);
        if (order === "sha256") expected.sort();
        expect(up).toEqual(expected);
        expect(await walk(true)).toEqual([...up].reverse());
      },
    );

    test("that pass the filter, all of its parts", async () => {
      const { artifact, made } = await several();
      const [first, second] = made;
      if (first === undefined || second === undefined) throw new Error("none was made");
      await ports().care.quarantine(first.object);
      const list = async (filter: object) => {
        const query = { order: "size", descending: false, limit: 10, after: undefined } as const;
        const page = await ports().inventory.list({ ...query, filter: { artifact, ...filter } });
        return page.contents.map(({ size }) => size);
      };
      expect(await list({ state: "quarantined" })).toEqual([100]);
      expect(await list({ state: "admitted", minSize: 120, maxSize: 130 })).toEqual([120, 130]);
      expect(await list({ pinned: true })).toEqual([]);
      expect(await list({ pinned: false, blocked: false, irreplaceable: false, internal: false })).toHaveLength(5);
      expect(await list({ internal: true })).toEqual([]);
      expect(await list({ readBefore: new Date(0) })).toEqual([]);
      expect(await list({ readAfter: new Date(0) })).toHaveLength(5);
      expect(await list({ project: "nobody" })).toEqual([]);
      expect(await list({ origin: "nowhere.example" })).toEqual([]);
    });

    test("and one by one, with who refers to it", async () => {
      const { sha256, object, artifact } = await admitted();
      const found = await ports().inventory.find(sha256);
      expect(found).toMatchObject({
        object,
        state: "admitted",
        hits: 1,
        artifactName: artifact.name,
        internalRefs: 0,
        pin: undefined,
        block: undefined,
      });
      const [referrer, ...others] = await ports().inventory.referrers(sha256, 10);
      expect(others).toEqual([]);
      expect(referrer).toEqual({
        artifactId: artifact.id,
        type: "images",
        name: artifact.name,
        project: artifact.owner,
        field: "image",
        key: "",
        internal: false,
      });
      expect(await ports().inventory.find(someContent().digests.sha256)).toBeUndefined();
    });
  });
}
