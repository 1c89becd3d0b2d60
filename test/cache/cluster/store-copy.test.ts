import { randomBytes } from "node:crypto";
import { open, readdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { BlobRef } from "../../../src/domain/blob.ts";
import type { ObjectName } from "../../../src/domain/content.ts";
import type { ContentStore } from "../../../src/domain/content-store.ts";
import { sha256 } from "../../../src/domain/digest.ts";
import { CisternError } from "../../../src/domain/errors.ts";
import { activate, located } from "../../catalog/records.ts";
import { but } from "../../support/but.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../../support/fault-origin.ts";
import { type Deployment, type Replica, startDeployment } from "./replicas.ts";

const MIB = 1024 * 1024;

let deployment: Deployment;
let origin: FaultOrigin;
let filler: Replica;
let sequence = 0;
const stack: AsyncDisposable[] = [];

beforeAll(async () => {
  deployment = await startDeployment();
  origin = await startFaultOrigin();
  filler = await deployment.start("filler");
});
afterAll(async () => {
  await deployment?.[Symbol.asyncDispose]();
  await origin?.[Symbol.asyncDispose]();
});
beforeEach(() => {
  sequence += 1;
});
afterEach(async () => {
  for (const each of stack.splice(0)) await each[Symbol.asyncDispose]();
});

interface Admitted {
  readonly ref: BlobRef;
  readonly bytes: Buffer;
  readonly object: ObjectName;
  readonly path: string;
}

/** Content that is in the store, of a blob that has earned it. */
async function admitted(size: number): Promise<Admitted> {
  const bytes = randomBytes(size);
  const path = `/stored-${sequence}`;
  origin.serve(path, bytes);
  const digests = { sha256: sha256(digestOf(bytes)) };
  const { ref, artifact } = await located(deployment.catalog, { url: origin.url(path), digests, size });
  await activate(deployment.catalog, artifact.id);
  expect((await filler.read(ref)).bytes.equals(bytes)).toBe(true);
  await filler.idle();
  return { ref, bytes, object: await objectOf(ref), path };
}

async function objectOf(ref: BlobRef): Promise<ObjectName> {
  const content = (await deployment.catalog.blobs.resolve(ref))?.content;
  if (content === undefined) throw new Error("it was not admitted");
  return content.object;
}

function fileOf({ sha256: hex, fence }: ObjectName): string {
  return join(deployment.directory, "store", "sha256", hex.slice(0, 2), hex.slice(2, 4), hex, String(fence));
}

/** Generations of it in a replica's hot tier. */
async function hotCopies(name: string, { sha256: hex }: ObjectName): Promise<string[]> {
  const folder = join(deployment.directory, name, "hot", "sha256", hex.slice(0, 2), hex.slice(2, 4), hex);
  return await readdir(folder).catch(() => []);
}

/** Changes one byte of an object behind the back of the store. */
async function damage(object: ObjectName, at: number): Promise<void> {
  await using file = await open(fileOf(object), "r+");
  const byte = Buffer.alloc(1);
  await file.read(byte, 0, 1, at);
  await file.write(Buffer.from([(byte[0] ?? 0) ^ 1]), 0, 1, at);
}

async function replica(store?: (store: ContentStore) => ContentStore): Promise<Replica> {
  const started = await deployment.start(`replica-${sequence}`, store === undefined ? {} : { store });
  stack.push(started);
  return started;
}

describe("I1: an object that is damaged in the store", () => {
  test("is never served as small content: it is fetched anew", async () => {
    const { ref, bytes, object, path } = await admitted(100_000);
    await damage(object, 50_000);
    const answer = await (await replica()).read(ref);
    expect([answer.failure, answer.bytes.equals(bytes)]).toEqual([undefined, true]);
    expect(origin.requests(path).length).toBe(2);
  });

  test("cuts whoever reads its copy, and is fetched anew for the next", async () => {
    const { ref, bytes, object } = await admitted(3 * MIB);
    await damage(object, 1_000);
    const other = await replica();
    const first = await other.read(ref, { address: "10.0.0.9" });
    expect(first.failure).toBe("digest-mismatch");
    expect(first.bytes.length).toBeLessThan(bytes.length);
    // It could glue the right tail to what it has.
    const resumed = await other.read(ref, { address: "10.0.0.9", range: "bytes=2000000-" });
    expect(resumed.failure).toBe("digest-mismatch");
    const next = await other.read(ref, { address: "10.0.0.8" });
    expect([next.failure, next.bytes.equals(bytes)]).toEqual([undefined, true]);
  });
});

describe("a copy from a store that fails on the way", () => {
  /** A store whose reads fail from an offset on. */
  function failingFrom(offset: () => number) {
    return (store: ContentStore): ContentStore =>
      but(store, {
        open: async (name, size) => {
          const object = await store.open(name, size);
          if (object === undefined) return undefined;
          return {
            size: object.size,
            read: (into, at) => {
              if (at < offset()) return object.read(into, at);
              return Promise.reject(new CisternError("store-unavailable", "the store is away"));
            },
            [Symbol.asyncDispose]: () => object[Symbol.asyncDispose](),
          };
        },
      });
  }

  test("does not make its readers begin anew: what they have is right", async () => {
    const { ref, bytes } = await admitted(4 * MIB);
    let limit = 2 * MIB;
    const other = await replica(failingFrom(() => limit));
    const first = await other.read(ref);
    expect(first.failure).toBe("store-unavailable");
    limit = Number.POSITIVE_INFINITY;
    const rest = await other.read(ref, { range: `bytes=${first.bytes.length}-` });
    expect(rest.failure).toBeUndefined();
    expect(Buffer.concat([first.bytes, rest.bytes]).equals(bytes)).toBe(true);
  });
});

/** A store whose reads from an offset on wait. */
function waitingAt(offset: number, gate: Promise<void>) {
  return (store: ContentStore): ContentStore =>
    but(store, {
      open: async (name, size) => {
        const object = await store.open(name, size);
        if (object === undefined) return undefined;
        return {
          size: object.size,
          read: async (into, at) => {
            if (at >= offset) await gate;
            return await object.read(into, at);
          },
          [Symbol.asyncDispose]: () => object[Symbol.asyncDispose](),
        };
      },
    });
}

describe("a range of content that is being copied from the store", () => {
  test("does not wait for the verdict of the whole", async () => {
    const { ref, bytes } = await admitted(8 * MIB);
    const { promise: gate, resolve } = Promise.withResolvers<void>();
    const other = await replica(waitingAt(4 * MIB, gate));
    const range = await other.read(ref, { range: "bytes=1000-9999" });
    expect(range.bytes.equals(bytes.subarray(1000, 10_000))).toBe(true);
    resolve();
    await other.idle();
  }, 10_000);
});

describe("content that is condemned while it is copied from the store", () => {
  test.each([true, false])("leaves no copy behind (condemned: %s)", async (condemned) => {
    const { ref, object } = await admitted(8 * MIB);
    const { promise: gate, resolve } = Promise.withResolvers<void>();
    const other = await replica(waitingAt(4 * MIB, gate));
    expect((await other.read(ref, { range: "bytes=0-9" })).failure).toBeUndefined();
    if (condemned) {
      expect(await deployment.catalog.contents.condemn(object)).toBe(true);
      other.hear({ kind: "content", ...object, state: "condemned" });
    }
    resolve();
    await other.idle();
    expect(await hotCopies(`replica-${sequence}`, object)).toEqual(condemned ? [] : [String(object.fence)]);
  });
});

describe("I5: content that was replaced", () => {
  test("is not condemned by a replica that still looks for the generation before", async () => {
    const { ref, bytes, object } = await admitted(2 * MIB);
    const late = await replica();
    // It knows the first generation, and has no copy of it.
    await late.resolver.resolve(ref);
    await deployment.catalog.contents.condemn(object);
    await deployment.store.remove(object);
    filler.hear({ kind: "content", ...object, state: "condemned" });
    expect((await filler.read(ref)).failure).toBeUndefined();
    await filler.idle();
    const replaced = await objectOf(ref);
    expect(replaced.fence).toBeGreaterThan(object.fence);
    const answer = await late.read(ref);
    expect(answer.bytes.equals(bytes)).toBe(true);
    expect(await objectOf(ref)).toEqual(replaced);
  });

  test("an object that is gone is fetched anew", async () => {
    const { ref, bytes, object } = await admitted(2 * MIB);
    await rm(fileOf(object));
    const answer = await (await replica()).read(ref);
    expect(answer.bytes.equals(bytes)).toBe(true);
  });
});
