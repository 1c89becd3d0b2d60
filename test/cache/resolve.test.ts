import { createHash, randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { KeyGroups } from "../../src/cache/key-groups.ts";
import { Resolver } from "../../src/cache/resolve.ts";
import type { ArtifactId } from "../../src/domain/artifact.ts";
import type { BlobId, BlobRef, ResolvedBlob } from "../../src/domain/blob.ts";
import type { Fence } from "../../src/domain/content.ts";
import { sha256 } from "../../src/domain/digest.ts";
import { ManualClock } from "../support/manual-clock.ts";

const artifact = (n: number) => `artifact-${n}` as ArtifactId;
const content = (n: number) => sha256(createHash("sha256").update(String(n)).digest("hex"));

/** Two blobs of each artifact, which have one content together with the next artifact's. */
function resolved({ artifactId, field }: BlobRef): ResolvedBlob {
  const n = Number(artifactId.slice("artifact-".length));
  const digest = content(n >> 1);
  return {
    artifact: {
      ...{ id: artifactId, type: "images", name: "one", version: "1.0.0", owner: "blue", visibility: "private" },
      ...{ status: "active", description: "", tags: [], metadata: {}, fields: {}, revision: 1 },
      ...{ createdAt: new Date(0), updatedAt: new Date(0), activatedAt: new Date(0) },
    },
    blob: {
      id: `${artifactId}/${field}` as BlobId,
      ...{ artifactId, field, key: "", location: undefined, digests: { sha256: digest }, size: 1 },
      ...{ digestSource: undefined, contentType: "application/octet-stream" },
    },
    mirrors: [],
    content: {
      ...{ object: { sha256: digest, fence: 1 as Fence }, digests: { sha256: digest }, size: 1 },
      ...{ admittedAt: new Date(0), lastReadAt: new Date(0) },
    },
    admittedElsewhere: false,
  };
}

function resolverOf(): Resolver {
  return new Resolver({ resolve: async (ref: BlobRef) => resolved(ref) }, new ManualClock());
}

const refs = (count: number) =>
  Array.from({ length: count }, (_, n) =>
    ["image", "kernel"].map((field): BlobRef => ({ artifactId: artifact(n), field, key: "" })),
  ).flat();

test("what has changed is forgotten: a blob, an artifact's, a content's, and no others", async () => {
  const resolver = resolverOf();
  const all = refs(6);
  for (const ref of all) await resolver.resolve(ref);
  const cached = () =>
    all.filter((ref) => resolver.cached(ref) !== undefined).map(({ artifactId, field }) => `${artifactId}/${field}`);
  expect(cached()).toHaveLength(12);
  resolver.forgetAll(["artifact-0/image" as BlobId]);
  expect(cached()).toHaveLength(11);
  resolver.forgetArtifact(artifact(1));
  expect(cached()).toHaveLength(9);
  resolver.forgetContent(content(1));
  expect(cached()).toEqual([
    "artifact-0/kernel",
    "artifact-4/image",
    "artifact-4/kernel",
    "artifact-5/image",
    "artifact-5/kernel",
  ]);
  const [again] = all;
  if (again === undefined) throw new Error("there are no blobs");
  await resolver.resolve(again);
  resolver.forgetArtifact(artifact(0));
  expect(cached()).toHaveLength(4);
});

test("ten thousand changes cost the loop milliseconds, however much is cached", async () => {
  const resolver = resolverOf();
  for (const ref of refs(25_000)) await resolver.resolve(ref);
  const began = performance.now();
  for (let n = 0; n < 10_000; n += 1)
    resolver.forgetContent(sha256(createHash("sha256").update(`no ${n}`).digest("hex")));
  // Looking at all 50,000 each time would take half a minute.
  expect(performance.now() - began).toBeLessThan(1_000);
});

test("groups without keys are not kept", () => {
  const groups = new KeyGroups();
  const names = Array.from({ length: 10 }, () => randomUUID());
  for (const name of names) for (const key of ["a", "b"]) groups.add(name, key);
  expect(groups.keys(names[0] ?? "")).toEqual(["a", "b"]);
  for (const name of names) for (const key of ["a", "b", "c"]) groups.delete(name, key);
  expect(groups.size).toBe(0);
  expect(groups.keys(names[0] ?? "")).toEqual([]);
});
