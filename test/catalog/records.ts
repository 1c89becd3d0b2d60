import { createHash, randomUUID } from "node:crypto";
import type { Artifact, ArtifactId } from "../../src/domain/artifact.ts";
import type { ArtifactCatalog, NewArtifact } from "../../src/domain/artifact-catalog.ts";
import type { BlobRecord, BlobRef } from "../../src/domain/blob.ts";
import type { BlobCatalog, NewLocation } from "../../src/domain/blob-catalog.ts";
import type { ObjectName } from "../../src/domain/content.ts";
import type {
  Admitted,
  ContentAccount,
  ContentCatalog,
  ContentLedger,
  Reads,
} from "../../src/domain/content-catalog.ts";
import { type Digests, type Sha256, sha256 } from "../../src/domain/digest.ts";
import type { Leases } from "../../src/domain/lease.ts";
import type { PolicyCatalog } from "../../src/domain/policy-catalog.ts";
import type { TokenCatalog } from "../../src/domain/token-catalog.ts";

/** The catalog's ports together, for records that need one another. */
export interface CatalogPorts {
  readonly artifacts: ArtifactCatalog;
  readonly blobs: BlobCatalog;
  readonly contents: ContentCatalog;
  readonly ledger: ContentLedger;
  readonly leases: Leases;
  readonly policies: PolicyCatalog;
  readonly tokens: TokenCatalog;
}

/** Bytes that no other test has, by their digests. */
export interface TestContent {
  readonly digests: Digests & { readonly sha256: Sha256; readonly md5: string; readonly sha512: string };
  readonly size: number;
}

export function someContent(): TestContent {
  const bytes = Buffer.from(randomUUID());
  const hex = (algorithm: string) => createHash(algorithm).update(bytes).digest("hex");
  return {
    digests: { sha256: sha256(hex("sha256")), md5: hex("md5"), sha512: hex("sha512") },
    size: bytes.length,
  };
}

/** The same of so many bytes, which nobody has. */
export function sizedContent(size: number): TestContent {
  return { ...someContent(), size };
}

export function newArtifact(fields: Partial<NewArtifact> = {}): NewArtifact {
  const id = randomUUID() as ArtifactId;
  return {
    id,
    type: "images",
    name: `artifact-${id}`,
    version: "1.0.0",
    owner: `project-${id}`,
    description: "",
    tags: [],
    metadata: {},
    fields: {},
    ...fields,
  };
}

export function someLocation(fields: Partial<NewLocation> = {}): NewLocation {
  return {
    url: `https://origin.example/${randomUUID()}.img`,
    setBy: "admin",
    digests: {},
    size: undefined,
    contentType: "application/octet-stream",
    ...fields,
  };
}

export function imageOf(artifact: { readonly id: ArtifactId }): BlobRef {
  return { artifactId: artifact.id, field: "image", key: "" };
}

export function mirrorOf(artifact: { readonly id: ArtifactId }, key: string): BlobRef {
  return { artifactId: artifact.id, field: "mirrors", key };
}

/** An artifact whose image has this location. */
export async function located(
  ports: CatalogPorts,
  location: Partial<NewLocation> = {},
  artifact: Partial<NewArtifact> = {},
): Promise<{ readonly artifact: Artifact; readonly blob: BlobRecord; readonly ref: BlobRef }> {
  const { id } = await ports.artifacts.create(newArtifact(artifact));
  const ref = imageOf({ id });
  const blob = await ports.blobs.setLocation(ref, someLocation(location), undefined);
  const found = await ports.artifacts.find(id);
  if (found === undefined) throw new Error("an artifact that was just created is not there");
  return { artifact: found, blob, ref };
}

/** Activates it and, when asked, makes it public. */
export async function activate(ports: CatalogPorts, id: ArtifactId, publicly = false): Promise<Artifact> {
  const found = await ports.artifacts.find(id);
  if (found === undefined) throw new Error("there is no such artifact");
  const visibility = publicly ? ({ visibility: "public" } as const) : {};
  return await ports.artifacts.update(id, found.revision, { status: "active", ...visibility });
}

/** A fill of these blobs that passes: takes a lease and admits under it. */
export async function fill(
  ports: CatalogPorts,
  content: TestContent,
  ...blobs: readonly BlobRecord[]
): Promise<Admitted> {
  return await fillFrom(ports, someAccount, content, ...blobs);
}

/** As `fill`, on somebody's account. */
export async function fillFrom(
  ports: CatalogPorts,
  account: ContentAccount,
  content: TestContent,
  ...blobs: readonly BlobRecord[]
): Promise<Admitted> {
  const answer = await ports.leases.take(randomUUID(), "holder", 60_000);
  if (answer.kind !== "taken") throw new Error("a key that nobody else knows is held");
  return await ports.contents.admit({
    lease: answer.lease,
    blobs: blobs.map((blob) => blob.id),
    digests: content.digests,
    size: content.size,
    digestSource: "first_fetch",
    account,
  });
}

/** On nobody's account. */
export const someAccount = { project: "", origin: "" } as const;

/** One read at that time. */
export function once(at: Date): Reads {
  return { at, count: 1 };
}

/** Content that was admitted and is condemned since. */
export async function condemnedContent(ports: CatalogPorts): Promise<ObjectName> {
  const content = someContent();
  const { blob } = await located(ports);
  const admitted = await fill(ports, content, blob);
  if (admitted.kind === "unreferenced") throw new Error("the fill was for nothing");
  await ports.contents.condemn(admitted.object);
  return admitted.object;
}

/** Condemns a content, under whatever object it lies now. */
export async function condemn(ports: CatalogPorts, digest: Sha256): Promise<boolean> {
  const fence = await ports.ledger.generation(digest);
  return fence !== undefined && (await ports.contents.condemn({ sha256: digest, fence }));
}

/** Whether content is condemned now. */
export async function isCondemned(ports: CatalogPorts, digest: Sha256): Promise<boolean> {
  const fence = await ports.ledger.generation(digest);
  return (await ports.contents.condemned(100_000)).some((object) => object.sha256 === digest && object.fence === fence);
}
