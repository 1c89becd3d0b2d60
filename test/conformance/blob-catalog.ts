import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import type { BlobId } from "../../src/domain/blob.ts";
import {
  activate,
  type CatalogPorts,
  fill,
  imageOf,
  isCondemned,
  located,
  mirrorOf,
  newArtifact,
  someContent,
  someLocation,
} from "../catalog/records.ts";
import { joinContentConformance } from "./join-content.ts";

/** What every blob catalog does; `ports` answers one that tests share. */
export function blobCatalogConformance(name: string, ports: () => CatalogPorts): void {
  describe(`${name} is a blob catalog`, () => {
    resolving(ports);
    settingLocations(ports);
    replacingUrls(ports);
    removingLocations(ports);
    uploading(ports);
    recordingVerified(ports);
    joinContentConformance(ports);
  });
}

function resolving(ports: () => CatalogPorts): void {
  describe("resolve", () => {
    test("a blob that is not there is certainly absent", async () => {
      const artifact = await ports().artifacts.create(newArtifact());
      expect(await ports().blobs.resolve(imageOf(artifact))).toBeUndefined();
      expect(await ports().blobs.resolve(imageOf({ id: randomUUID() as ArtifactId }))).toBeUndefined();
    });

    test("answers artifact, blob and, once it is earned, the content", async () => {
      const content = someContent();
      const { artifact, blob, ref } = await located(ports(), { digests: content.digests, size: content.size });
      const { blobs: _, ...record } = artifact;
      const cold = { artifact: record, blob, mirrors: [], content: undefined, admittedElsewhere: false };
      expect(await ports().blobs.resolve(ref)).toEqual(cold);
      const admitted = await fill(ports(), content, blob);
      const resolved = await ports().blobs.resolve(ref);
      expect(resolved?.content).toMatchObject({
        object: admitted.kind === "admitted" ? admitted.object : undefined,
        digests: content.digests,
        size: content.size,
      });
      expect(resolved?.content?.admittedAt).toBeInstanceOf(Date);
      expect(resolved?.admittedElsewhere).toBe(false);
      const other = await located(ports(), { digests: content.digests });
      expect(await ports().blobs.resolve(other.ref)).toMatchObject({ content: undefined, admittedElsewhere: true });
    });

    test("mirrors are the other external blobs of image and mirrors, by field and key", async () => {
      const { blobs } = ports();
      const { artifact, ref } = await located(ports());
      const set = (key: string) => blobs.setLocation(mirrorOf(artifact, key), someLocation(), undefined);
      await set("b");
      await set("B");
      await set("a");
      await blobs.setLocation({ artifactId: artifact.id, field: "readme", key: "" }, someLocation(), undefined);
      await located(ports());
      const keysOf = async (of: typeof ref) =>
        (await blobs.resolve(of))?.mirrors.map((mirror) => `${mirror.field}/${mirror.key}`);
      expect(await keysOf(ref)).toEqual(["mirrors/B", "mirrors/a", "mirrors/b"]);
      expect(await keysOf(mirrorOf(artifact, "a"))).toEqual(["image/", "mirrors/B", "mirrors/b"]);
      expect(await keysOf({ artifactId: artifact.id, field: "readme", key: "" })).toEqual([]);
    });

    test("what contradicts the record is no mirror of it", async () => {
      const { blobs } = ports();
      const content = someContent();
      const { artifact, ref } = await located(ports(), { digests: content.digests, size: 10 });
      const set = (key: string, fields: object) =>
        blobs.setLocation(mirrorOf(artifact, key), someLocation(fields), undefined);
      await set("agrees", { digests: { md5: content.digests.md5 }, size: 10 });
      await set("digest", { digests: { sha512: someContent().digests.sha512 } });
      await set("silent", {});
      await set("size", { size: 11 });
      expect((await blobs.resolve(ref))?.mirrors.map((mirror) => mirror.key)).toEqual(["agrees", "silent"]);
    });

    test("a mirror whose location was removed is none, and neither are uploaded bytes", async () => {
      const { blobs, ledger } = ports();
      const { artifact, ref } = await located(ports());
      await activate(ports(), artifact.id);
      await blobs.setLocation(mirrorOf(artifact, "gone"), someLocation({ size: 5 }), undefined);
      await blobs.removeLocation(mirrorOf(artifact, "gone"));
      const upload = { ...someContent(), contentType: "a/b", fence: await ledger.nextFence() };
      await blobs.setUploaded(mirrorOf(artifact, "here"), upload);
      expect((await blobs.resolve(ref))?.mirrors).toEqual([]);
    });
  });
}

function settingLocations(ports: () => CatalogPorts): void {
  describe("setLocation", () => {
    test("records URL, digests and size as given", async () => {
      const { digests, size } = someContent();
      const location = someLocation({ digests, size, setBy: "member", contentType: "image/x" });
      const { blob } = await located(ports(), location);
      expect(blob).toMatchObject({
        location: { kind: "external", url: location.url, setBy: "member" },
        digests,
        size,
        digestSource: "given",
        contentType: "image/x",
      });
    });

    test("without a digest nothing is said of where digests come from", async () => {
      const { blob } = await located(ports(), { size: 7 });
      expect(blob).toMatchObject({ digests: {}, size: 7, digestSource: undefined });
    });

    test("a second one is a conflict, and so is one on uploaded bytes", async () => {
      const { artifacts, blobs, ledger } = ports();
      const { ref, blob } = await located(ports());
      await expect(blobs.setLocation(ref, someLocation(), undefined)).rejects.toMatchObject({ code: "conflict" });
      expect((await blobs.resolve(ref))?.blob).toEqual(blob);
      const uploaded = imageOf(await artifacts.create(newArtifact()));
      await blobs.setUploaded(uploaded, { ...someContent(), contentType: "a/b", fence: await ledger.nextFence() });
      await expect(blobs.setLocation(uploaded, someLocation(), undefined)).rejects.toMatchObject({ code: "conflict" });
    });

    test("on an artifact that is gone says so", async () => {
      const set = ports().blobs.setLocation(imageOf({ id: randomUUID() as ArtifactId }), someLocation(), undefined);
      await expect(set).rejects.toMatchObject({ code: "artifact-not-found" });
    });

    test("of two at the same time one wins", async () => {
      const { artifacts, blobs } = ports();
      const ref = imageOf(await artifacts.create(newArtifact()));
      const answers = await Promise.allSettled([
        blobs.setLocation(ref, someLocation(), undefined),
        blobs.setLocation(ref, someLocation(), undefined),
      ]);
      expect(answers.map((answer) => answer.status).toSorted()).toEqual(["fulfilled", "rejected"]);
    });
  });
}

function replacingUrls(ports: () => CatalogPorts): void {
  describe("setLocation with the URL that it replaces", () => {
    test("changes the URL alone, and what was earned stays earned", async () => {
      const { blobs } = ports();
      const content = someContent();
      const { blob, ref } = await located(ports(), { digests: { sha256: content.digests.sha256 } });
      await fill(ports(), content, blob);
      const before = await blobs.resolve(ref);
      const next = someLocation({ setBy: "member", contentType: "other/type" });
      const old = blob.location?.kind === "external" ? blob.location.url : "";
      const replaced = await blobs.setLocation(ref, next, old);
      expect(replaced).toEqual({ ...before?.blob, location: { kind: "external", url: next.url, setBy: "member" } });
      expect((await blobs.resolve(ref))?.content).toEqual(before?.content);
    });

    test("is refused when the URL is another by now", async () => {
      const { blobs } = ports();
      const { ref, blob } = await located(ports(), { digests: someContent().digests });
      const late = blobs.setLocation(ref, someLocation(), "https://origin.example/before");
      await expect(late).rejects.toMatchObject({ code: "precondition-failed" });
      expect((await blobs.resolve(ref))?.blob).toEqual(blob);
    });

    test("is refused when there is no location to replace", async () => {
      const { artifacts, blobs } = ports();
      const ref = imageOf(await artifacts.create(newArtifact()));
      const set = blobs.setLocation(ref, someLocation(), "https://origin.example/before");
      await expect(set).rejects.toMatchObject({ code: "precondition-failed" });
    });

    test.each([
      ["no digest", {}],
      ["md5 alone", { md5: someContent().digests.md5 }],
    ])("is a conflict with %s recorded", async (_, digests) => {
      const url = "https://origin.example/weak";
      const { ref } = await located(ports(), { url, digests });
      const set = ports().blobs.setLocation(ref, someLocation(), url);
      await expect(set).rejects.toMatchObject({ code: "conflict" });
    });

    test("I10: is a conflict when other digests are given with it", async () => {
      const url = "https://origin.example/strong";
      const { ref } = await located(ports(), { url, digests: { sha512: someContent().digests.sha512 } });
      const set = ports().blobs.setLocation(ref, someLocation({ digests: someContent().digests }), url);
      await expect(set).rejects.toMatchObject({ code: "conflict" });
    });
  });
}

function removingLocations(ports: () => CatalogPorts): void {
  describe("removeLocation", () => {
    test("I5: of a draft takes the whole record, and condemns content that nobody else names", async () => {
      const { blobs } = ports();
      const content = someContent();
      const { ref, blob } = await located(ports());
      await fill(ports(), content, blob);
      expect(await blobs.removeLocation(ref)).toBe(blob.id);
      expect(await blobs.resolve(ref)).toBeUndefined();
      expect(await isCondemned(ports(), content.digests.sha256)).toBe(true);
      await blobs.setLocation(ref, someLocation({ digests: someContent().digests }), undefined);
    });

    test("I5: leaves content alone that another blob has earned", async () => {
      const { blobs } = ports();
      const content = someContent();
      const { ref, blob } = await located(ports());
      const other = await located(ports());
      await fill(ports(), content, blob, other.blob);
      await blobs.removeLocation(ref);
      expect(await isCondemned(ports(), content.digests.sha256)).toBe(false);
      expect((await blobs.resolve(other.ref))?.content).toBeDefined();
    });

    test("changes nothing for a record that could have joined the content on its account", async () => {
      const { blobs } = ports();
      const content = someContent();
      const { artifact, ref, blob } = await located(ports());
      const sibling = await located(ports(), { digests: content.digests }, { owner: artifact.owner });
      const stranger = await located(ports(), { digests: content.digests });
      await fill(ports(), content, blob);
      await blobs.removeLocation(ref);
      expect((await blobs.resolve(sibling.ref))?.content).toBeDefined();
      expect((await blobs.resolve(stranger.ref))?.content).toBeUndefined();
      expect(await isCondemned(ports(), content.digests.sha256)).toBe(false);
    });

    test("I10: digests and size of a once active artifact outlive the location and bind the next", async () => {
      const { blobs } = ports();
      const content = someContent();
      const { artifact, ref, blob } = await located(ports());
      await activate(ports(), artifact.id);
      await fill(ports(), content, blob);
      await blobs.removeLocation(ref);
      const kept = await blobs.resolve(ref);
      expect(kept?.blob).toMatchObject({ location: undefined, digests: content.digests, size: content.size });
      expect(kept?.content).toBeUndefined();
      expect(await isCondemned(ports(), content.digests.sha256)).toBe(true);

      const wrongDigest = blobs.setLocation(ref, someLocation({ digests: someContent().digests }), undefined);
      await expect(wrongDigest).rejects.toMatchObject({ code: "conflict" });
      const wrongSize = blobs.setLocation(ref, someLocation({ size: content.size + 1 }), undefined);
      await expect(wrongSize).rejects.toMatchObject({ code: "conflict" });

      const next = await blobs.setLocation(ref, someLocation(), undefined);
      expect(next).toMatchObject({ digests: content.digests, size: content.size, digestSource: "first_fetch" });
      expect(next.id).not.toBe(blob.id);
    });

    test("a record of an active artifact that says nothing of its bytes goes whole", async () => {
      const { artifact, ref } = await located(ports());
      await activate(ports(), artifact.id);
      await ports().blobs.removeLocation(ref);
      expect(await ports().blobs.resolve(ref)).toBeUndefined();
    });

    test("of nothing says so, of uploaded bytes it is forbidden", async () => {
      const { artifacts, blobs, ledger } = ports();
      const artifact = await artifacts.create(newArtifact());
      const missing = { code: "blob-not-found" };
      await expect(blobs.removeLocation(imageOf(artifact))).rejects.toMatchObject(missing);
      await expect(blobs.removeLocation(imageOf({ id: randomUUID() as ArtifactId }))).rejects.toMatchObject(missing);
      const upload = { ...someContent(), contentType: "a/b", fence: await ledger.nextFence() };
      await blobs.setUploaded(imageOf(artifact), upload);
      await expect(blobs.removeLocation(imageOf(artifact))).rejects.toMatchObject({ code: "forbidden" });
      const removed = await located(ports(), { size: 1 });
      await activate(ports(), removed.artifact.id);
      await blobs.removeLocation(removed.ref);
      await expect(blobs.removeLocation(removed.ref)).rejects.toMatchObject(missing);
    });
  });
}

function uploading(ports: () => CatalogPorts): void {
  describe("setUploaded", () => {
    test("records an internal blob and its content", async () => {
      const { artifacts, blobs, ledger } = ports();
      const ref = imageOf(await artifacts.create(newArtifact()));
      const content = someContent();
      const fence = await ledger.nextFence();
      const answer = await blobs.setUploaded(ref, { ...content, contentType: "a/b", fence });
      expect(answer.fence).toBe(fence);
      expect(answer.blob).toMatchObject({ location: { kind: "internal" }, ...content, contentType: "a/b" });
      const resolved = await blobs.resolve(ref);
      expect(resolved?.blob).toEqual(answer.blob);
      expect(resolved?.content).toMatchObject({ object: { sha256: content.digests.sha256, fence } });
    });

    test("content that is there already keeps its own object", async () => {
      const { artifacts, blobs, ledger } = ports();
      const content = someContent();
      const { blob } = await located(ports());
      const admitted = await fill(ports(), content, blob);
      const ref = imageOf(await artifacts.create(newArtifact()));
      const fence = await ledger.nextFence();
      const answer = await blobs.setUploaded(ref, { ...content, contentType: "a/b", fence });
      expect(admitted).toMatchObject({ kind: "admitted", object: { fence: answer.fence } });
      expect(answer.fence).not.toBe(fence);
    });

    test("condemned content comes back under the new object, for the old one may be going", async () => {
      const { artifacts, blobs, contents, ledger } = ports();
      const content = someContent();
      const { blob, ref: removed } = await located(ports());
      const old = await fill(ports(), content, blob);
      await blobs.removeLocation(removed);
      const ref = imageOf(await artifacts.create(newArtifact()));
      const fence = await ledger.nextFence();
      const answer = await blobs.setUploaded(ref, { ...content, contentType: "a/b", fence });
      expect(answer.fence).toBe(fence);
      expect(await isCondemned(ports(), content.digests.sha256)).toBe(false);
      if (old.kind !== "admitted") throw new Error("the first fill was not admitted");
      expect(await contents.condemned(100_000)).toContainEqual(old.object);
      expect(await contents.forget(old.object)).toBe(true);
      expect((await blobs.resolve(ref))?.content?.object.fence).toBe(fence);
    });

    test("on a blob that has a location or bytes is a conflict, and writes no content", async () => {
      const { blobs, ledger } = ports();
      const { ref } = await located(ports());
      const content = someContent();
      const upload = { ...content, contentType: "a/b", fence: await ledger.nextFence() };
      await expect(blobs.setUploaded(ref, upload)).rejects.toMatchObject({ code: "conflict" });
      expect(await ledger.generation(content.digests.sha256)).toBeUndefined();
    });

    test("I10: bytes that contradict kept digests are a conflict", async () => {
      const { blobs, ledger } = ports();
      const { artifact, ref } = await located(ports(), { digests: someContent().digests });
      await activate(ports(), artifact.id);
      await blobs.removeLocation(ref);
      const upload = { ...someContent(), contentType: "a/b", fence: await ledger.nextFence() };
      await expect(blobs.setUploaded(ref, upload)).rejects.toMatchObject({ code: "conflict" });
    });
  });
}

function recordingVerified(ports: () => CatalogPorts): void {
  describe("recordVerified", () => {
    test("fills in what was not recorded and earns nothing", async () => {
      const { blobs } = ports();
      const content = someContent();
      const { blob, ref } = await located(ports());
      await blobs.recordVerified([blob.id], content.digests, content.size, "first_fetch");
      const resolved = await blobs.resolve(ref);
      expect(resolved?.blob).toMatchObject({ ...content, digestSource: "first_fetch" });
      expect(resolved?.content).toBeUndefined();
    });

    test("what was given stays given", async () => {
      const { blobs } = ports();
      const content = someContent();
      const { blob, ref } = await located(ports(), { digests: { md5: content.digests.md5 } });
      await blobs.recordVerified([blob.id], content.digests, content.size, "first_fetch");
      expect((await blobs.resolve(ref))?.blob).toMatchObject({ ...content, digestSource: "given" });
    });

    test("I10: a contradiction is refused and nothing is written, on no blob", async () => {
      const { blobs } = ports();
      const content = someContent();
      const open = await located(ports());
      const wrong = await located(ports(), { digests: { md5: someContent().digests.md5 } });
      const record = blobs.recordVerified([open.blob.id, wrong.blob.id], content.digests, content.size, "first_fetch");
      await expect(record).rejects.toMatchObject({ code: "digest-mismatch" });
      expect((await blobs.resolve(open.ref))?.blob).toEqual(open.blob);
      expect((await blobs.resolve(wrong.ref))?.blob).toEqual(wrong.blob);
    });

    test("blobs that are gone, or lost their location, do not matter", async () => {
      const { blobs } = ports();
      const content = someContent();
      const { blob } = await located(ports());
      const gone = randomUUID() as BlobId;
      await blobs.recordVerified([gone, blob.id], content.digests, content.size, "first_fetch");
      await blobs.recordVerified([], content.digests, content.size, "first_fetch");
    });
  });
}
