import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import type { ArtifactQuery } from "../../src/domain/artifact-catalog.ts";
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

const nobody = () => randomUUID() as ArtifactId;
const everything: ArtifactQuery = { type: undefined, visibleTo: undefined, limit: 100 };

/** What every artifact catalog does; `ports` answers one that tests share. */
export function artifactCatalogConformance(name: string, ports: () => CatalogPorts): void {
  describe(`${name} is an artifact catalog`, () => {
    test("an artifact is found as it was created", async () => {
      const { artifacts } = ports();
      const wanted = newArtifact({
        tags: ["a", 'b "quoted"', "c\\d", "{e}"],
        metadata: { key: "välue", empty: "" },
        fields: { disk_format: "qcow2", min_ram: 512, protected: true, nothing: null },
        description: "it's «one»",
      });
      const created = await artifacts.create(wanted);
      expect(created).toMatchObject({
        ...wanted,
        visibility: "private",
        status: "drafted",
        revision: 1,
        activatedAt: undefined,
        blobs: [],
      });
      expect(Math.abs(created.createdAt.getTime() - Date.now())).toBeLessThan(60_000);
      expect(await artifacts.find(wanted.id)).toEqual(created);
    });

    test("an artifact that is not there is certainly absent", async () => {
      expect(await ports().artifacts.find(nobody())).toBeUndefined();
    });

    test("type, name and version are taken once within an owner", async () => {
      const { artifacts } = ports();
      const first = newArtifact();
      await artifacts.create(first);
      await expect(artifacts.create({ ...first, id: nobody() })).rejects.toMatchObject({ code: "conflict" });
      await artifacts.create({ ...first, id: nobody(), owner: "another" });
      await artifacts.create({ ...first, id: nobody(), version: "1.0.1" });
      await artifacts.create({ ...first, id: nobody(), type: "files" });
    });

    test("type, name and version are taken once among the public ones", async () => {
      const { artifacts } = ports();
      const one = await artifacts.create(newArtifact());
      const other = await artifacts.create(newArtifact({ name: one.name }));
      await activate(ports(), one.id, true);
      await expect(activate(ports(), other.id, true)).rejects.toMatchObject({ code: "conflict" });
      await activate(ports(), other.id);
    });

    test("two creations of one name at the same time: one wins", async () => {
      const { artifacts } = ports();
      const wanted = newArtifact();
      const answers = await Promise.allSettled([
        artifacts.create(wanted),
        artifacts.create({ ...wanted, id: nobody() }),
      ]);
      expect(answers.map((answer) => answer.status).toSorted()).toEqual(["fulfilled", "rejected"]);
    });

    test("a version that is no semantic version is refused", async () => {
      await expect(ports().artifacts.create(newArtifact({ version: "1.0" }))).rejects.toMatchObject({
        code: "invalid-input",
      });
    });

    describe("update", () => {
      test("sets what is given and leaves the rest", async () => {
        const { artifacts } = ports();
        const before = await artifacts.create(newArtifact({ tags: ["kept"], description: "kept" }));
        const after = await artifacts.update(before.id, before.revision, { version: "2.0.0", fields: { a: 1 } });
        expect(after).toMatchObject({ version: "2.0.0", fields: { a: 1 }, tags: ["kept"], description: "kept" });
        expect(after.revision).toBe(before.revision + 1);
        expect(after.updatedAt.getTime()).toBeGreaterThanOrEqual(before.updatedAt.getTime());
        expect(await artifacts.find(before.id)).toEqual(after);
      });

      test("is refused when somebody changed the record in between", async () => {
        const { artifacts } = ports();
        const seen = await artifacts.create(newArtifact());
        await artifacts.update(seen.id, seen.revision, { description: "first" });
        const late = artifacts.update(seen.id, seen.revision, { description: "second" });
        await expect(late).rejects.toMatchObject({ code: "precondition-failed" });
        expect((await artifacts.find(seen.id))?.description).toBe("first");
      });

      test("is refused when a blob was set in between", async () => {
        const { artifacts, blobs } = ports();
        const seen = await artifacts.create(newArtifact());
        await blobs.setLocation(imageOf(seen), someLocation(), undefined);
        const late = artifacts.update(seen.id, seen.revision, { status: "active" });
        await expect(late).rejects.toMatchObject({ code: "precondition-failed" });
      });

      test("of one revision by many: one wins", async () => {
        const { artifacts } = ports();
        const { id, revision } = await artifacts.create(newArtifact());
        const answers = await Promise.allSettled(
          Array.from({ length: 8 }, (_, n) => artifacts.update(id, revision, { description: `${n}` })),
        );
        expect(answers.filter((answer) => answer.status === "fulfilled")).toHaveLength(1);
        expect((await artifacts.find(id))?.revision).toBe(revision + 1);
      });

      test("to a name that is taken is a conflict, and changes nothing", async () => {
        const { artifacts } = ports();
        const taken = await artifacts.create(newArtifact());
        const mine = await artifacts.create(newArtifact({ owner: taken.owner }));
        const renamed = artifacts.update(mine.id, mine.revision, { name: taken.name });
        await expect(renamed).rejects.toMatchObject({ code: "conflict" });
        expect(await artifacts.find(mine.id)).toEqual(mine);
      });

      test("of what is gone says so", async () => {
        const update = ports().artifacts.update(nobody(), 1, { description: "" });
        await expect(update).rejects.toMatchObject({ code: "artifact-not-found" });
      });

      test("the first activation is remembered through a deactivation", async () => {
        const { artifacts } = ports();
        const { id } = await artifacts.create(newArtifact());
        const active = await activate(ports(), id);
        expect(active.activatedAt).toBeInstanceOf(Date);
        const off = await artifacts.update(id, active.revision, { status: "deactivated" });
        expect(off.activatedAt).toEqual(active.activatedAt);
        expect((await activate(ports(), id)).activatedAt).toEqual(active.activatedAt);
      });
    });

    describe("list", () => {
      test("pages are newest first, do not overlap, and end", async () => {
        const { artifacts } = ports();
        const owner = randomUUID();
        const made: string[] = [];
        for (let n = 0; n < 7; n += 1) made.unshift((await artifacts.create(newArtifact({ owner }))).id);
        const seen: string[] = [];
        let marker: ArtifactId | undefined;
        for (;;) {
          const page = await artifacts.list({
            ...everything,
            visibleTo: owner,
            owner,
            limit: 3,
            ...(marker ? { marker } : {}),
          });
          expect(page.total).toBe(7);
          seen.push(...page.artifacts.map((artifact) => artifact.id));
          marker = page.artifacts.at(-1)?.id;
          if (!page.more) break;
        }
        expect(seen).toEqual(made);
      });

      test("shows a project its own, and of others what is public and active", async () => {
        const { artifacts } = ports();
        const type = `type-${randomUUID()}`;
        const make = async (publicly: boolean, active: boolean) => {
          const { id } = await artifacts.create(newArtifact({ type, owner: "theirs" }));
          if (active) await activate(ports(), id, publicly);
          return id;
        };
        const hidden = [await make(false, false), await make(false, true)];
        const shown = await make(true, true);
        const withdrawn = await make(true, true);
        const { revision } = (await artifacts.find(withdrawn)) ?? { revision: 0 };
        await artifacts.update(withdrawn, revision, { status: "deactivated" });
        const own = await artifacts.create(newArtifact({ type, owner: "mine" }));
        const idsFor = async (visibleTo: string | undefined) => {
          const page = await artifacts.list({ ...everything, type, visibleTo });
          expect(page.total).toBe(page.artifacts.length);
          return page.artifacts.map((artifact) => artifact.id).toSorted();
        };
        expect(await idsFor("mine")).toEqual([own.id, shown].toSorted());
        expect(await idsFor(undefined)).toEqual([own.id, shown, withdrawn, ...hidden].toSorted());
      });

      test("filters by name, status, visibility and owner", async () => {
        const { artifacts } = ports();
        const type = `type-${randomUUID()}`;
        const drafted = await artifacts.create(newArtifact({ type, owner: "one" }));
        const active = await artifacts.create(newArtifact({ type, owner: "two" }));
        await activate(ports(), active.id, true);
        const idsOf = async (filter: Partial<ArtifactQuery>) =>
          (await artifacts.list({ ...everything, type, ...filter })).artifacts.map((artifact) => artifact.id);
        expect(await idsOf({ name: drafted.name })).toEqual([drafted.id]);
        expect(await idsOf({ status: "active" })).toEqual([active.id]);
        expect(await idsOf({ visibility: "private" })).toEqual([drafted.id]);
        expect(await idsOf({ owner: "two" })).toEqual([active.id]);
        expect(await idsOf({ owner: "one", status: "active" })).toEqual([]);
      });

      test("tells exactly how many there are, whatever became of them", async () => {
        const { artifacts } = ports();
        const [type, owner] = [`type-${randomUUID()}`, randomUUID()];
        const made = await Promise.all(
          [owner, owner, owner, "another"].map((of) => artifacts.create(newArtifact({ type, owner: of }))),
        );
        const totals = async () => {
          const of = async (filter: Partial<ArtifactQuery>) =>
            (await artifacts.list({ ...everything, type, limit: 1, ...filter })).total;
          return {
            all: await of({}),
            active: await of({ status: "active" }),
            drafted: await of({ status: "drafted" }),
            public: await of({ visibility: "public" }),
            owned: await of({ owner }),
            seen: await of({ visibleTo: owner }),
            seenOfOthers: await of({ visibleTo: owner, owner: "another" }),
            named: await of({ name: made[0]?.name ?? "" }),
          };
        };
        const before = { all: 4, active: 0, drafted: 4, public: 0, owned: 3, seen: 3, seenOfOthers: 0, named: 1 };
        expect(await totals()).toEqual(before);
        const [first, second, , theirs] = made.map(({ id }) => id);
        if (first === undefined || second === undefined || theirs === undefined) throw new Error("too few were made");
        await activate(ports(), first);
        await activate(ports(), theirs, true);
        const after = { ...before, active: 2, drafted: 2, public: 1, seen: 4, seenOfOthers: 1 };
        expect(await totals()).toEqual(after);
        await artifacts.update(second, 1, { description: "other" });
        expect(await totals()).toEqual(after);
        await artifacts.remove(first);
        expect(await totals()).toEqual({ ...after, all: 3, active: 1, owned: 2, seen: 3, named: 0 });
      });

      test("carries the blobs of each, by field and key", async () => {
        const { artifacts, blobs } = ports();
        const { artifact } = await located(ports());
        await blobs.setLocation(mirrorOf(artifact, "b"), someLocation(), undefined);
        await blobs.setLocation(mirrorOf(artifact, "a"), someLocation(), undefined);
        const page = await artifacts.list({ ...everything, name: artifact.name });
        expect(page.artifacts[0]?.blobs.map((blob) => `${blob.field}/${blob.key}`)).toEqual([
          "image/",
          "mirrors/a",
          "mirrors/b",
        ]);
        expect(page.artifacts[0]).toEqual(await artifacts.find(artifact.id));
      });

      test("a marker that is not there, or that the caller may not see, is refused alike", async () => {
        const { artifacts } = ports();
        const foreign = await artifacts.create(newArtifact());
        for (const marker of [nobody(), foreign.id]) {
          const page = artifacts.list({ ...everything, visibleTo: "somebody else", marker });
          await expect(page).rejects.toMatchObject({ code: "invalid-input", fields: [{ field: "query.marker" }] });
        }
      });
    });

    describe("remove", () => {
      test("takes the record and its blobs, and tells which", async () => {
        const { artifacts, blobs } = ports();
        const { artifact, blob, ref } = await located(ports());
        const mirror = await blobs.setLocation(mirrorOf(artifact, "m"), someLocation(), undefined);
        expect((await artifacts.remove(artifact.id)).toSorted()).toEqual([blob.id, mirror.id].toSorted());
        expect(await artifacts.find(artifact.id)).toBeUndefined();
        expect(await blobs.resolve(ref)).toBeUndefined();
        await expect(artifacts.remove(artifact.id)).rejects.toMatchObject({ code: "artifact-not-found" });
      });

      test("I5: content goes with the last artifact that names it, not before", async () => {
        const { artifacts } = ports();
        const content = someContent();
        const one = await located(ports());
        const other = await located(ports());
        await fill(ports(), content, one.blob, other.blob);
        await artifacts.remove(one.artifact.id);
        expect(await isCondemned(ports(), content.digests.sha256)).toBe(false);
        await artifacts.remove(other.artifact.id);
        expect(await isCondemned(ports(), content.digests.sha256)).toBe(true);
      });

      test("I5: uploaded bytes go with the last artifact that names them", async () => {
        const { artifacts, blobs, ledger } = ports();
        const content = someContent();
        const upload = async () => {
          const artifact = await artifacts.create(newArtifact());
          const fence = await ledger.nextFence();
          await blobs.setUploaded(imageOf(artifact), { ...content, contentType: "a/b", fence });
          return artifact.id;
        };
        const [one, other] = [await upload(), await upload()];
        await artifacts.remove(one);
        expect(await isCondemned(ports(), content.digests.sha256)).toBe(false);
        await artifacts.remove(other);
        expect(await isCondemned(ports(), content.digests.sha256)).toBe(true);
      });
    });
  });
}
