import { randomBytes, randomUUID } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CatalogAudit } from "../../src/artifact/audit-trail.ts";
import { createArtifact } from "../../src/artifact/create.ts";
import type { NamedBlob } from "../../src/artifact/named-blob.ts";
import { removeArtifact } from "../../src/artifact/remove.ts";
import { type UploadPorts, uploadBlob } from "../../src/artifact/upload.ts";
import { type Catalog, openCatalog } from "../../src/catalog/open-catalog.ts";
import type { BlobId, BlobRef } from "../../src/domain/blob.ts";
import { findArtifactType } from "../../src/domain/builtin-types.ts";
import type { ObjectName } from "../../src/domain/content.ts";
import type { ContentStore, Staging } from "../../src/domain/content-store.ts";
import { CisternError } from "../../src/domain/errors.ts";
import type { Principal } from "../../src/domain/principal.ts";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { WorkerHasher } from "../../src/store/hasher/worker-hasher.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { systemClock } from "../../src/telemetry/system-clock.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { ENDLESS_ROOM } from "../support/endless-room.ts";

const MEMBER: Principal = { tokenId: "t", project: "blue", roles: ["member"], address: "192.0.2.1" };
const STAY = new AbortController().signal;
const files = findArtifactType("files");
const stack = new AsyncDisposableStack();
let catalog: Catalog;
let store: ContentStore;
let ports: UploadPorts;
let spoolDirectory = "";
const changed: BlobRef[] = [];
const removed: BlobId[] = [];
const changes = {
  onBlobChanged: (ref: BlobRef) => void changed.push(ref),
  onBlobsRemoved: (ids: readonly BlobId[]) => void removed.push(...ids),
};

beforeAll(async () => {
  const { path } = stack.use(await temporaryDirectory());
  catalog = stack.use(await openCatalog({ directory: join(path, "catalog") }));
  store = await openFilesystemStore(join(path, "store"));
  spoolDirectory = join(path, "spool");
  const spool = await openSpool(spoolDirectory, 2 ** 28);
  const hasher = stack.use(new WorkerHasher());
  ports = {
    ...catalog,
    store,
    spool,
    hasher,
    clock: systemClock,
    changes,
    audit: new CatalogAudit({ catalog: catalog.auditRows, clock: systemClock, events: { emit: () => undefined } }),
    stallMs: 60_000,
    room: ENDLESS_ROOM,
    holder: "uploads",
    maxBytes: 2 ** 26,
  };
});

afterAll(() => stack.disposeAsync());

async function someFile(): Promise<NamedBlob> {
  if (files === undefined) throw new Error("there is no type files");
  const { id } = await createArtifact(ports, MEMBER, files, { name: randomUUID() });
  return { type: files, ref: { artifactId: id, field: "file", key: "" } };
}

function upload(using: UploadPorts, named: NamedBlob, bytes: Uint8Array, signal = STAY) {
  async function* chunks() {
    yield bytes;
  }
  const body = { bytes: chunks(), length: bytes.length, contentType: "text/plain" };
  return uploadBlob(using, MEMBER, named, body, undefined, signal);
}

async function objects(): Promise<readonly ObjectName[]> {
  const found: ObjectName[] = [];
  for await (const name of store.list(AbortSignal.timeout(10_000))) found.push(name);
  return found;
}

async function expectNothing(named: NamedBlob, before: readonly ObjectName[]): Promise<void> {
  expect((await objects()).length).toBe(before.length);
  expect((await readdir(spoolDirectory)).filter((name) => name.endsWith(".spool"))).toEqual([]);
  expect((await catalog.artifacts.find(named.ref.artifactId))?.blobs ?? []).toEqual([]);
}

describe("an upload that fails", () => {
  test("in the store leaves no row, no object and no spool", async () => {
    const named = await someFile();
    const before = await objects();
    const failing = {
      ...ports,
      store: {
        stage: () => ({
          advance: () => undefined,
          commit: () => Promise.reject(new CisternError("store-unavailable", "the disk is gone")),
          [Symbol.asyncDispose]: async () => undefined,
        }),
        remove: (name: ObjectName) => store.remove(name),
      },
    };
    await expect(upload(failing, named, randomBytes(100))).rejects.toMatchObject({ code: "store-unavailable" });
    await expectNothing(named, before);
    await upload(ports, named, randomBytes(100));
  });

  test("by a certain refusal of the catalog takes its object back", async () => {
    const named = await someFile();
    const before = await objects();
    const gone = {
      ...ports,
      store: {
        stage(...parameters: Parameters<ContentStore["stage"]>): Staging {
          const staging = store.stage(...parameters);
          return {
            advance: (bytes) => staging.advance(bytes),
            async commit(signal) {
              await staging.commit(signal);
              // The artifact is deleted between the bytes and the row.
              const owner = { type: named.type.name, id: named.ref.artifactId };
              await removeArtifact(ports, MEMBER, owner, undefined);
            },
            [Symbol.asyncDispose]: () => staging[Symbol.asyncDispose](),
          };
        },
        remove: (name: ObjectName) => store.remove(name),
      },
    };
    await expect(upload(gone, named, randomBytes(100))).rejects.toMatchObject({ code: "artifact-not-found" });
    await expectNothing(named, before);
  });

  test("I7: by a catalog that falls silent keeps its object, for the row may be there", async () => {
    const named = await someFile();
    const bytes = randomBytes(100);
    const silent: UploadPorts = {
      ...ports,
      blobs: {
        resolve: (ref) => catalog.blobs.resolve(ref),
        setLocation: (...rest) => catalog.blobs.setLocation(...rest),
        removeLocation: (ref) => catalog.blobs.removeLocation(ref),
        recordVerified: (...rest) => catalog.blobs.recordVerified(...rest),
        joinContent: (blob) => catalog.blobs.joinContent(blob),
        async setUploaded(...rest) {
          await catalog.blobs.setUploaded(...rest);
          throw new CisternError("catalog-unavailable", "the answer was lost");
        },
      },
    };
    await expect(upload(silent, named, bytes)).rejects.toMatchObject({ code: "catalog-unavailable" });
    const resolved = await catalog.blobs.resolve(named.ref);
    const content = resolved?.content;
    if (content === undefined) throw new Error("the row is not there");
    await using object = await store.open(content.object, 100);
    const kept = Buffer.alloc(100);
    expect(await object?.read(kept, 0)).toBe(100);
    expect(kept.equals(bytes)).toBe(true);
  });

  test("because its client left before the store had it leaves nothing", async () => {
    const named = await someFile();
    const before = await objects();
    const leaving = new AbortController();
    const left = {
      ...ports,
      ledger: {
        nextFence() {
          leaving.abort(new Error("the client has left"));
          return catalog.ledger.nextFence();
        },
      },
    };
    await expect(upload(left, named, randomBytes(100), leaving.signal)).rejects.toThrow("the client has left");
    await expectNothing(named, before);
  });
});

describe("an upload of bytes that are there already", () => {
  test("keeps the object that the row names and drops its own", async () => {
    const bytes = randomBytes(100);
    await upload(ports, await someFile(), bytes);
    const before = await objects();
    const named = await someFile();
    const artifact = await upload(ports, named, bytes);
    expect(artifact.blobs[0]?.location).toEqual({ kind: "internal" });
    expect(await objects()).toEqual(before);
    expect(changed.at(-1)).toEqual(named.ref);
  });
});

describe("removing an artifact with uploaded bytes", () => {
  test("tells which blobs went", async () => {
    const named = await someFile();
    const artifact = await upload(ports, named, randomBytes(10));
    await removeArtifact(ports, MEMBER, { type: "files", id: named.ref.artifactId }, undefined);
    expect(removed).toContain(artifact.blobs[0]?.id);
    expect(changed.at(-1)).toEqual(named.ref);
  });
});
