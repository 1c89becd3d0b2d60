import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Fence, ObjectName } from "../../src/domain/content.ts";
import type { Admitted } from "../../src/domain/content-catalog.ts";
import type { Sha256 } from "../../src/domain/digest.ts";
import type { Lease } from "../../src/domain/lease.ts";
import {
  type CatalogPorts,
  condemn,
  fill,
  imageOf,
  isCondemned,
  located,
  newArtifact,
  once,
  someAccount,
  someContent,
  type TestContent,
} from "../catalog/records.ts";

function objectIn(admitted: Admitted): ObjectName {
  if (admitted.kind === "unreferenced") throw new Error("the fill was for nothing");
  return admitted.object;
}

/** What every content catalog and ledger does; `ports` answers one that tests share. */
export function contentCatalogConformance(name: string, ports: () => CatalogPorts): void {
  describe(`${name} is a content catalog`, () => {
    admitting(ports);
    condemning(ports);
    counting(ports);
  });
  describe(`${name} is a content ledger`, () => ledger(ports));
}

function admitting(ports: () => CatalogPorts): void {
  const takeLease = async (milliseconds = 60_000, key: string = randomUUID()): Promise<Lease> => {
    const answer = await ports().leases.take(key, "filler", milliseconds);
    if (answer.kind !== "taken") throw new Error("the lease is held");
    return answer.lease;
  };
  const admission = (content: TestContent) => ({
    ...content,
    digestSource: "first_fetch" as const,
    account: someAccount,
  });

  describe("admit", () => {
    test("names the object of the lease's fence, and ends the lease", async () => {
      const { contents, leases, blobs } = ports();
      const content = someContent();
      const { blob, ref } = await located(ports());
      const lease = await takeLease();
      const admitted = await contents.admit({ lease, blobs: [blob.id], ...admission(content) });
      expect(admitted).toEqual({
        kind: "admitted",
        object: { sha256: content.digests.sha256, fence: lease.fence },
      });
      expect(await leases.renew(lease, 1000)).toBe(false);
      expect((await blobs.resolve(ref))?.blob).toMatchObject({ ...content, digestSource: "first_fetch" });
    });

    test("under a lease that was taken over is refused, and writes nothing", async () => {
      const { contents, ledger, blobs } = ports();
      const content = someContent();
      const { blob, ref } = await located(ports());
      const lost = await takeLease();
      const answer = await ports().leases.takeOver(lost, "another", 60_000, true);
      if (answer.kind !== "taken") throw new Error("the lease is held");
      const newer = answer.lease;
      const late = contents.admit({ lease: lost, blobs: [blob.id], ...admission(content) });
      await expect(late).rejects.toMatchObject({ code: "precondition-failed" });
      expect(await ledger.generation(content.digests.sha256)).toBeUndefined();
      expect((await blobs.resolve(ref))?.blob).toEqual(blob);
      const right = await contents.admit({ lease: newer, blobs: [blob.id], ...admission(content) });
      expect(right.kind).toBe("admitted");
    });

    test("twice under one lease: the second is refused", async () => {
      const { contents } = ports();
      const content = someContent();
      const { blob } = await located(ports());
      const lease = await takeLease();
      await contents.admit({ lease, blobs: [blob.id], ...admission(content) });
      const again = contents.admit({ lease, blobs: [blob.id], ...admission(content) });
      await expect(again).rejects.toMatchObject({ code: "precondition-failed" });
    });

    test("content that is there already keeps its object, and learns digests that it did not have", async () => {
      const { contents, blobs } = ports();
      const content = someContent();
      const { sha256, md5, sha512 } = content.digests;
      const one = await located(ports());
      const first = await contents.admit({
        lease: await takeLease(),
        blobs: [one.blob.id],
        digests: { sha256, md5 },
        size: content.size,
        digestSource: "first_fetch",
        account: someAccount,
      });
      const other = await located(ports());
      const second = await contents.admit({
        lease: await takeLease(),
        blobs: [other.blob.id],
        digests: { sha256, sha512 },
        size: content.size,
        digestSource: "first_fetch",
        account: someAccount,
      });
      expect(second).toEqual({ kind: "existing", object: objectIn(first) });
      expect((await blobs.resolve(other.ref))?.content?.digests).toEqual({ sha256, md5, sha512 });
    });

    test("a record that was deleted while the fill ran leaves the bytes unreferenced", async () => {
      const { contents, artifacts, ledger, leases } = ports();
      const content = someContent();
      const { artifact, blob } = await located(ports());
      const lease = await takeLease();
      await artifacts.remove(artifact.id);
      const admitted = await contents.admit({ lease, blobs: [blob.id], ...admission(content) });
      expect(admitted).toEqual({ kind: "unreferenced" });
      expect(await ledger.generation(content.digests.sha256)).toBeUndefined();
      expect(await leases.renew(lease, 1000)).toBe(false);
    });

    test("bytes of a location that was removed do not count for the one that was set after it", async () => {
      const { blobs } = ports();
      const { ref, blob, artifact } = await located(ports(), { size: 36 });
      await ports().artifacts.update(artifact.id, artifact.revision, { status: "active" });
      await blobs.removeLocation(ref);
      const next = { setBy: "admin" as const, digests: {}, size: undefined, contentType: "a/b" };
      await blobs.setLocation(ref, { url: "https://origin.example/next", ...next }, undefined);
      expect(await fill(ports(), someContent(), blob)).toEqual({ kind: "unreferenced" });
      expect((await blobs.resolve(ref))?.content).toBeUndefined();
    });

    test("of the records that a fill was for, those that are left earn the content", async () => {
      const { artifacts, blobs } = ports();
      const content = someContent();
      const gone = await located(ports());
      const left = await located(ports());
      await artifacts.remove(gone.artifact.id);
      expect((await fill(ports(), content, gone.blob, left.blob)).kind).toBe("admitted");
      expect((await blobs.resolve(left.ref))?.content).toBeDefined();
    });

    test("I10: a record that contradicts the bytes refuses them, and keeps what it says", async () => {
      const { blobs, ledger, contents, leases } = ports();
      const content = someContent();
      const { blob, ref } = await located(ports(), { digests: { md5: someContent().digests.md5 } });
      const lease = await takeLease();
      const admit = contents.admit({ lease, blobs: [blob.id], ...admission(content) });
      await expect(admit).rejects.toMatchObject({ code: "digest-mismatch" });
      const sized = await located(ports(), { size: content.size + 1 });
      await expect(fill(ports(), content, sized.blob)).rejects.toMatchObject({ code: "digest-mismatch" });
      expect(await ledger.generation(content.digests.sha256)).toBeUndefined();
      expect((await blobs.resolve(ref))?.blob).toEqual(blob);
      expect(await leases.renew(lease, 1000)).toBe(true);
    });

    test("condemned content comes back as a new generation", async () => {
      const { contents, blobs } = ports();
      const content = someContent();
      const { blob } = await located(ports());
      const old = objectIn(await fill(ports(), content, blob));
      await condemn(ports(), content.digests.sha256);
      const next = await located(ports());
      const admitted = await fill(ports(), content, next.blob);
      expect(admitted.kind).toBe("admitted");
      expect(objectIn(admitted).fence).toBeGreaterThan(old.fence);
      expect(await isCondemned(ports(), content.digests.sha256)).toBe(false);
      // The object before is named by nothing else: it is still to be removed (I9).
      expect(await contents.condemned(100_000)).toContainEqual(old);
      expect([await contents.forget(old), await contents.forget(old)]).toEqual([true, false]);
      expect(await contents.condemned(100_000)).not.toContainEqual(old);
      expect((await blobs.resolve(next.ref))?.content?.object).toEqual(objectIn(admitted));
      expect((await blobs.resolve(imageOf({ id: blob.artifactId })))?.content).toBeUndefined();
    });

    test("at the same time as the removal of the last record: never a row that nobody names", async () => {
      const { artifacts, blobs } = ports();
      for (let round = 0; round < 10; round += 1) {
        const content = someContent();
        const first = await located(ports());
        await fill(ports(), content, first.blob);
        const second = await located(ports());
        await Promise.all([artifacts.remove(first.artifact.id), fill(ports(), content, second.blob)]);
        expect(await isCondemned(ports(), content.digests.sha256)).toBe(false);
        expect((await blobs.resolve(second.ref))?.content).toBeDefined();
      }
    });
  });
}

function condemning(ports: () => CatalogPorts): void {
  describe("condemn", () => {
    test("takes the content from all that had earned it, and leaves their digests (I10)", async () => {
      const { blobs, contents } = ports();
      const content = someContent();
      const one = await located(ports());
      const other = await located(ports());
      const object = objectIn(await fill(ports(), content, one.blob, other.blob));
      expect(await condemn(ports(), content.digests.sha256)).toBe(true);
      for (const { ref } of [one, other]) {
        const resolved = await blobs.resolve(ref);
        expect(resolved?.content).toBeUndefined();
        expect(resolved?.blob).toMatchObject(content);
      }
      expect(await contents.condemned(100_000)).toContainEqual(object);
    });

    test("I5: uploaded bytes are never condemned, also when a location has them too", async () => {
      const { artifacts, blobs, contents, ledger } = ports();
      const content = someContent();
      const external = await located(ports());
      await fill(ports(), content, external.blob);
      const internal = imageOf(await artifacts.create(newArtifact()));
      const fence = await ledger.nextFence();
      await blobs.setUploaded(internal, { ...content, contentType: "a/b", fence });
      expect(await condemn(ports(), content.digests.sha256)).toBe(false);
      expect((await blobs.resolve(external.ref))?.content).toBeDefined();
      expect((await blobs.resolve(internal))?.content).toBeDefined();
      const offered = await contents.leastRecentlyRead(100_000);
      expect(offered.map((record) => record.object.sha256)).not.toContain(content.digests.sha256);
    });

    test("content that lies under another object by now stays", async () => {
      const { blobs, contents } = ports();
      const content = someContent();
      const { blob } = await located(ports());
      const old = objectIn(await fill(ports(), content, blob));
      await contents.condemn(old);
      const next = await located(ports());
      await fill(ports(), content, next.blob);
      expect(await contents.condemn(old)).toBe(false);
      expect((await blobs.resolve(next.ref))?.content).toBeDefined();
    });

    test("what is condemned already, or not there, changes nothing", async () => {
      const content = someContent();
      expect(await condemn(ports(), content.digests.sha256)).toBe(false);
      const { blob } = await located(ports());
      await fill(ports(), content, blob);
      await condemn(ports(), content.digests.sha256);
      expect(await condemn(ports(), content.digests.sha256)).toBe(false);
    });

    test("forget drops the row of that generation once, and only when it is condemned", async () => {
      const { contents, ledger } = ports();
      const content = someContent();
      const { blob } = await located(ports());
      const object = objectIn(await fill(ports(), content, blob));
      expect(await contents.forget(object)).toBe(false);
      await condemn(ports(), content.digests.sha256);
      expect(await contents.forget({ ...object, fence: (object.fence + 1) as Fence })).toBe(false);
      expect(await ledger.generation(content.digests.sha256)).toBe(object.fence);
      expect(await contents.forget(object)).toBe(true);
      expect(await contents.forget(object)).toBe(false);
      expect(await ledger.generation(content.digests.sha256)).toBeUndefined();
    });

    test("condemned answers as many as asked, the oldest first", async () => {
      const { contents } = ports();
      const made: Sha256[] = [];
      for (let n = 0; n < 3; n += 1) {
        const content = someContent();
        const { blob } = await located(ports());
        await fill(ports(), content, blob);
        await condemn(ports(), content.digests.sha256);
        made.push(content.digests.sha256);
      }
      const all = (await contents.condemned(100_000)).map((object) => object.sha256);
      expect(all.filter((digest) => made.includes(digest))).toEqual(made);
      expect(await contents.condemned(2)).toHaveLength(2);
    });
  });
}

function counting(ports: () => CatalogPorts): void {
  test("use adds up the contents, condemned ones until they are forgotten", async () => {
    const { contents } = ports();
    const before = await contents.use();
    const content = someContent();
    const { blob } = await located(ports());
    const object = objectIn(await fill(ports(), content, blob));
    const more = { ...before, count: before.count + 1, bytes: before.bytes + content.size };
    expect(await contents.use()).toEqual(more);
    await condemn(ports(), content.digests.sha256);
    expect(await contents.use()).toEqual({ ...more, condemnedBytes: before.condemnedBytes + content.size });
    await contents.forget(object);
    expect(await contents.use()).toEqual(before);
  });

  test("leastRecentlyRead goes by the last read, and leaves condemned content out", async () => {
    const { contents, ledger } = ports();
    const made = [someContent(), someContent(), someContent(), someContent()];
    for (const content of made) {
      const { blob } = await located(ports());
      await fill(ports(), content, blob);
    }
    const [a, b, c, d] = made.map((content) => content.digests.sha256);
    if (a === undefined || b === undefined || c === undefined || d === undefined) throw new Error("four were made");
    const later = (seconds: number) => new Date(Date.now() + seconds * 1000);
    await ledger.touch(
      new Map([
        [b, once(later(300))],
        [a, once(later(200))],
      ]),
    );
    await condemn(ports(), d);
    const order = (await contents.leastRecentlyRead(100_000)).map((record) => record.object.sha256);
    expect(order.filter((digest) => [a, b, c, d].includes(digest))).toEqual([c, a, b]);
    expect(await contents.leastRecentlyRead(1)).toHaveLength(1);
  });
}

function ledger(ports: () => CatalogPorts): void {
  test("the generation of content that was never admitted is certainly none", async () => {
    expect(await ports().ledger.generation(someContent().digests.sha256)).toBeUndefined();
  });

  test("an object is unrecorded when no row names it: neither content, nor what it lay under before", async () => {
    const { ledger, contents, blobs } = ports();
    expect(await ledger.unrecorded([])).toEqual([]);
    const content = someContent();
    const { blob, ref } = await located(ports());
    const first = objectIn(await fill(ports(), content, blob));
    const other = { sha256: first.sha256, fence: await ledger.nextFence() };
    const never = { sha256: someContent().digests.sha256, fence: first.fence };
    expect(new Set(await ledger.unrecorded([first, other, never]))).toEqual(new Set([other, never]));
    await contents.condemn(first);
    expect(await ledger.unrecorded([first])).toEqual([]);
    const again = (await blobs.resolve(ref))?.blob ?? blob;
    const second = objectIn(await fill(ports(), content, again));
    expect(await ledger.unrecorded([first, second])).toEqual([]);
    await contents.forget(first);
    expect(await ledger.unrecorded([first, second])).toEqual([first]);
  });

  test("the newest read wins, whatever the order in which they are told", async () => {
    const { ledger, blobs } = ports();
    const content = someContent();
    const { blob, ref } = await located(ports());
    await fill(ports(), content, blob);
    const { sha256 } = content.digests;
    const newest = new Date(Date.now() + 60_000);
    await ledger.touch(new Map([[sha256, once(newest)]]));
    await ledger.touch(new Map([[sha256, once(new Date(0))]]));
    await ledger.touch(new Map([[someContent().digests.sha256, once(newest)]]));
    await ledger.touch(new Map());
    expect((await blobs.resolve(ref))?.content?.lastReadAt).toEqual(newest);
  });

  test("thousands of reads are noted at once", async () => {
    const { ledger, blobs } = ports();
    const content = someContent();
    const { blob, ref } = await located(ports());
    await fill(ports(), content, blob);
    const newest = new Date(Date.now() + 60_000);
    const reads = new Map(Array.from({ length: 5_000 }, () => [someContent().digests.sha256, once(newest)] as const));
    await ledger.touch(reads.set(content.digests.sha256, once(newest)));
    expect((await blobs.resolve(ref))?.content?.lastReadAt).toEqual(newest);
  });

  test("fences grow and are given once, to uploads and leases alike", async () => {
    const { ledger, leases } = ports();
    const first = await ledger.nextFence();
    const answer = await leases.take(randomUUID(), "filler", 1000);
    const many = await Promise.all(Array.from({ length: 50 }, () => ledger.nextFence()));
    expect(answer.kind === "taken" && answer.lease.fence > first).toBe(true);
    const fences = [first, answer.kind === "taken" ? answer.lease.fence : first, ...many];
    expect(new Set(fences).size).toBe(52);
    expect(Math.min(...many)).toBeGreaterThan(answer.kind === "taken" ? answer.lease.fence : 0);
  });
}
