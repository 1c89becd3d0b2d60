import { randomBytes } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Catalog } from "../../../src/catalog/open-catalog.ts";
import type { BlobRef } from "../../../src/domain/blob.ts";
import { type Digests, sha256 } from "../../../src/domain/digest.ts";
import { CisternError } from "../../../src/domain/errors.ts";
import { activate, located } from "../../catalog/records.ts";
import { but } from "../../support/but.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../../support/fault-origin.ts";
import { type Deployment, type Replica, startDeployment } from "./replicas.ts";

const MIB = 1024 * 1024;
const PATH = "/image";

let deployment: Deployment;
let origin: FaultOrigin;

beforeEach(async () => {
  [deployment, origin] = await Promise.all([startDeployment(), startFaultOrigin()]);
});
afterEach(async () => {
  await deployment[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function image(digests: Digests = {}, size?: number): Promise<BlobRef> {
  const { ref, artifact } = await located(deployment.catalog, { url: origin.url(PATH), digests, size });
  await activate(deployment.catalog, artifact.id);
  return ref;
}

function recorded(bytes: Buffer): Digests {
  return { sha256: sha256(digestOf(bytes)) };
}

/** A behaviour that keeps the bytes from `at` on back until `open` is called. */
function held(at: number): { behaviour: Behaviour; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { behaviour: { hold: { at, until: promise } }, open: resolve };
}

function saw(replica: Replica, kind: string): boolean {
  return replica.events.some((event) => event.kind === kind);
}

async function objectOf(ref: BlobRef) {
  return (await deployment.catalog.blobs.resolve(ref))?.content?.object;
}

describe("a fill that another replica has under way", () => {
  test("I3: is read along with; the origin is asked once, and both have a local copy", async () => {
    const bytes = randomBytes(4 * MIB);
    const gate = held(2 * MIB);
    origin.serve(PATH, bytes, gate.behaviour);
    const ref = await image(recorded(bytes), bytes.length);
    const [a, b] = await Promise.all([deployment.start("a"), deployment.start("b")]);
    const first = a.read(ref);
    await origin.requested(PATH);
    const second = b.read(ref);
    await expect.poll(() => saw(b, "fill-relayed")).toBe(true);
    gate.open();
    for (const { bytes: got, failure } of await Promise.all([first, second])) {
      expect([failure, got.equals(bytes)]).toEqual([undefined, true]);
    }
    await Promise.all([a.idle(), b.idle()]);
    expect(origin.requests(PATH).length).toBe(1);
  });

  test("I1: is not gone on with after bytes of another version, when no digest would tell", async () => {
    const [old, now] = [randomBytes(6 * MIB), randomBytes(6 * MIB)];
    const ref = await image();
    const [b, c] = await Promise.all([deployment.start("b"), deployment.start("c")]);
    origin.serve(PATH, old, { resetAt: 2 * MIB });
    expect((await b.read(ref)).failure).toBe("origin-broken");
    await b.idle();
    // The origin's bytes change; c fetches the new ones, and is shut down half way.
    const gate = held(4 * MIB);
    origin.serve(PATH, now, gate.behaviour, {});
    const before = origin.requests(PATH).length;
    const cut = c.read(ref);
    await origin.requested(PATH, before + 1);
    await expect.poll(() => saw(c, "fill-started")).toBe(true);
    let got = 0;
    const onPiece = (bytes: number) => {
      got += bytes;
    };
    const reading = b.read(ref, { address: "10.0.0.2", onPiece });
    await expect.poll(() => got, { timeout: 10_000 }).toBeGreaterThan(3 * MIB);
    await c.fills.stop();
    await cut;
    gate.open();
    const answer = await reading;
    await b.idle();
    expect([answer.failure, answer.bytes.equals(now)]).toEqual([undefined, true]);
    expect((await objectOf(ref))?.sha256).toBe(digestOf(now));
  });

  test("I1: that fails on wrong bytes condemns what the readers of all replicas were given", async () => {
    const bytes = randomBytes(4 * MIB);
    const gate = held(3 * MIB);
    origin.serve(PATH, bytes, { ...gate.behaviour, flipBitAt: 100 });
    const ref = await image(recorded(bytes), bytes.length);
    const [a, b, c] = await Promise.all(["a", "b", "c"].map((name) => deployment.start(name)));
    if (a === undefined || b === undefined || c === undefined) throw new Error("three were started");
    const first = a.read(ref);
    await origin.requested(PATH);
    const second = b.read(ref, { address: "10.0.0.2" });
    await expect.poll(() => saw(b, "fill-relayed")).toBe(true);
    gate.open();
    expect((await first).failure).toBe("digest-mismatch");
    expect((await second).failure).toBe("digest-mismatch");
    origin.serve(PATH, bytes);
    await c.tombstones.load();
    for (const address of ["10.0.0.1", "10.0.0.2"]) {
      const resumed = await c.read(ref, { address, range: `bytes=${2 * MIB}-` });
      expect(resumed.failure).toBe("digest-mismatch");
    }
  });

  test("is not asked of the origin again by those who heard that its location delivers wrong bytes", async () => {
    const bytes = randomBytes(3 * MIB);
    const gate = held(2 * MIB);
    origin.serve(PATH, bytes, { ...gate.behaviour, flipBitAt: 100 });
    const ref = await image(recorded(bytes), bytes.length);
    const [a, b] = await Promise.all([deployment.start("a"), deployment.start("b")]);
    const first = a.read(ref);
    await origin.requested(PATH);
    const second = b.read(ref);
    await expect.poll(() => saw(b, "fill-relayed")).toBe(true);
    gate.open();
    await Promise.all([first, second]);
    await Promise.all([a.idle(), b.idle()]);
    expect((await b.read(ref)).failure).toBe("digest-mismatch");
    expect(origin.requests(PATH).length).toBe(1);
  });
});

test("I3: a holder that still looks through what it has spooled is not robbed of its lease", async () => {
  const bytes = randomBytes(3 * MIB);
  origin.serve(PATH, bytes);
  const ref = await image(recorded(bytes), bytes.length);
  const { promise: gate, resolve: open } = Promise.withResolvers<void>();
  const renewed = Promise.withResolvers<void>();
  const a = await deployment.start("a", {
    spool: (spool) =>
      but(spool, {
        reopen: async (key) => {
          await gate;
          return await spool.reopen(key);
        },
      }),
    catalog: (catalog) =>
      but(catalog, {
        leases: but(catalog.leases, {
          renew: (...asked) => {
            renewed.resolve();
            return catalog.leases.renew(...asked);
          },
        }),
      }),
  });
  const b = await deployment.start("b");
  const first = a.read(ref);
  const key = `${digestOf(bytes)}@${await ownerOf(ref)}`;
  await expect.poll(async () => (await deployment.catalog.leases.find(key))?.by.holder).toBe(a.holder);
  const second = b.read(ref);
  await renewed.promise;
  await expect.poll(() => saw(b, "fill-source-failed"), { timeout: 15_000 }).toBe(true);
  expect((await deployment.catalog.leases.find(key))?.by.holder).toBe(a.holder);
  open();
  for (const answer of await Promise.all([first, second])) expect(answer.bytes.equals(bytes)).toBe(true);
  expect(origin.requests(PATH).length).toBe(1);
}, 60_000);

describe("a lease that was taken away", () => {
  test("ends nothing: the readers go on, whoever fetches now", async () => {
    const bytes = randomBytes(4 * MIB);
    const gate = held(2 * MIB);
    origin.serve(PATH, bytes, gate.behaviour, {});
    const ref = await image(recorded(bytes), bytes.length);
    const a = await deployment.start("a");
    const reading = a.read(ref);
    await expect.poll(() => saw(a, "fill-started")).toBe(true);
    const key = `${digestOf(bytes)}@${await ownerOf(ref)}`;
    const lease = (await deployment.catalog.leases.find(key))?.by;
    if (lease === undefined) throw new Error("there is no lease");
    await deployment.catalog.leases.takeOver(lease, "http://127.0.0.1:1#gone", 1, true);
    const answer = await reading;
    expect([answer.failure, answer.bytes.equals(bytes)]).toEqual([undefined, true]);
    await a.idle();
    expect((await objectOf(ref))?.sha256).toBe(digestOf(bytes));
    gate.open();
  });
});

async function ownerOf(ref: BlobRef): Promise<string> {
  const resolved = await deployment.catalog.blobs.resolve(ref);
  if (resolved === undefined) throw new Error("there is no such blob");
  return resolved.artifact.owner;
}

describe("content that another replica admits meanwhile", () => {
  test("I5: is not condemned for the sake of a prefix that came from elsewhere", async () => {
    const [old, now] = [randomBytes(4 * MIB), randomBytes(4 * MIB)];
    const ref = await image();
    const { promise: gate, resolve: open } = Promise.withResolvers<void>();
    let waits = false;
    let asked = false;
    const late = (catalog: Catalog): Catalog =>
      but(catalog, {
        leases: but(catalog.leases, {
          take: async (key: string, holder: string, milliseconds: number) => {
            asked = true;
            if (waits) await gate;
            return await catalog.leases.take(key, holder, milliseconds);
          },
        }),
      });
    const [b, c] = await Promise.all([deployment.start("b", { catalog: late }), deployment.start("c")]);
    origin.serve(PATH, old, { resetAt: 2 * MIB });
    expect((await b.read(ref)).failure).toBe("origin-broken");
    await b.idle();
    origin.serve(PATH, now);
    waits = true;
    asked = false;
    const reading = b.read(ref, { address: "10.0.0.2" });
    await expect.poll(() => asked).toBe(true);
    expect((await c.read(ref)).bytes.equals(now)).toBe(true);
    await c.idle();
    const admitted = await objectOf(ref);
    open();
    const answer = await reading;
    expect([answer.failure, answer.bytes.equals(now)]).toEqual([undefined, true]);
    expect(await objectOf(ref)).toEqual(admitted);
  });
});

describe("a catalog whose answers are lost", () => {
  test("an admission that was written and not answered is one, also when the row is the verdict", async () => {
    const bytes = randomBytes(2 * MIB);
    origin.serve(PATH, bytes);
    let lost = 0;
    const a = await deployment.start("a", {
      catalog: (catalog) =>
        but(catalog, {
          contents: but(catalog.contents, {
            admit: async (...asked: Parameters<Catalog["contents"]["admit"]>) => {
              const answer = await catalog.contents.admit(...asked);
              lost += 1;
              if (lost === 1) throw new CisternError("catalog-unavailable", "the answer was lost");
              return answer;
            },
          }),
        }),
    });
    const ref = await image();
    const answer = await a.read(ref);
    await a.idle();
    expect([lost, answer.failure, answer.bytes.equals(bytes)]).toEqual([1, undefined, true]);
    expect(saw(a, "fill-failed")).toBe(false);
    expect((await objectOf(ref))?.sha256).toBe(digestOf(bytes));
    const object = (await objectOf(ref)) ?? expect.unreachable("it was not admitted");
    await using stored = await deployment.store.open(object, bytes.length);
    expect(stored?.size).toBe(bytes.length);
  });
});

test("I1: readers of wrong bytes are known everywhere before anybody else may fetch", async () => {
  const bytes = randomBytes(3 * MIB);
  origin.serve(PATH, bytes, { flipBitAt: 100 });
  const ref = await image(recorded(bytes), bytes.length);
  const done: string[] = [];
  const a = await deployment.start("a", {
    catalog: (catalog) =>
      but(catalog, {
        graves: but(catalog.graves, {
          write: async (...asked: Parameters<Catalog["graves"]["write"]>) => {
            await catalog.graves.write(...asked);
            done.push("told");
          },
        }),
        leases: but(catalog.leases, {
          release: (...asked: Parameters<Catalog["leases"]["release"]>) => {
            done.push("released");
            return catalog.leases.release(...asked);
          },
        }),
      }),
  });
  expect((await a.read(ref)).failure).toBe("digest-mismatch");
  await a.idle();
  expect(done[0]).toBe("told");
  expect(done).toContain("released");
});
