import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { CapacityCatalog, CapacitySettings } from "../../src/domain/capacity.ts";
import type { ObjectName } from "../../src/domain/content.ts";
import type { Sha256 } from "../../src/domain/digest.ts";
import type { Replicas } from "../../src/domain/replica.ts";
import type { SpaceClaim, SpaceLedger } from "../../src/domain/space.ts";
import {
  type CatalogPorts,
  imageOf,
  located,
  newArtifact,
  sizedContent,
  type TestContent,
} from "../catalog/records.ts";

const MIB = 1024 * 1024;

export type SpacePorts = CatalogPorts & {
  readonly space: SpaceLedger;
  readonly capacity: CapacityCatalog;
  readonly replicas: Replicas;
};

/**
 * What every ledger of the store's room does; `ports` answers one that tests share.
 * @param alone what is condemned counts until its object is gone
 */
export function spaceLedgerConformance(name: string, ports: () => SpacePorts, alone: boolean): void {
  describe(`${name} is a ledger of the store's room`, () => {
    const place = new Place(ports, alone);
    beforeEach(() => place.begin());
    afterEach(() => place.clear());
    reserving(place);
    evicting(place);
    sharing(place);
    inTheBackground(place, alone);
  });
}

/** Contents and reservations of one test, and the limit that leaves it so much room. */
class Place {
  readonly #ports: () => SpacePorts;
  readonly #alone: boolean;
  readonly #holder = `http://replica.example#${randomUUID()}`;
  #before = 0;

  constructor(ports: () => SpacePorts, alone: boolean) {
    this.#ports = ports;
    this.#alone = alone;
  }

  get ports(): SpacePorts {
    return this.#ports();
  }

  get alone(): boolean {
    return this.#alone;
  }

  get holder(): string {
    return this.#holder;
  }

  /** The limit that lets this test use `bytes` besides what others left here. */
  limit(bytes: number): number {
    return this.#before + bytes;
  }

  /** Bytes that count. */
  async used(): Promise<number> {
    const { classes, reserved } = await this.ports.capacity.use();
    const counted = classes.filter((row) => this.#alone || row.class !== "condemned");
    return [...counted, ...reserved].reduce((sum, { bytes }) => sum + bytes, 0);
  }

  async claim(fields: Partial<SpaceClaim> = {}): Promise<SpaceClaim> {
    const fence = await this.ports.ledger.nextFence();
    return { key: randomUUID(), fence, holder: this.#holder, project: "", origin: "", ...fields };
  }

  async reserve(claim: SpaceClaim, bytes: number, room: number, open: readonly ObjectName[] = []): Promise<string> {
    const { space, contents } = this.ports;
    const configured = this.limit(room);
    for (;;) {
      const { outcome, evicted } = await space.reserve(claim, bytes, { configured, open });
      if (outcome !== "going" || !this.#alone) return outcome;
      // As the evictor does: the objects go, then their rows.
      for (const { object } of evicted) await contents.forget(object);
    }
  }

  /** Admitted content of so many bytes. */
  async content(size: number, account = { project: "", origin: "" }): Promise<TestContent & { object: ObjectName }> {
    const content = sizedContent(size);
    const { blob } = await located(this.ports);
    const answer = await this.ports.leases.take(randomUUID(), this.#holder, 60_000);
    if (answer.kind !== "taken") throw new Error("a key that nobody else knows is held");
    const { lease } = answer;
    const found = { ...content, digestSource: "first_fetch", account } as const;
    await this.ports.contents.admit({ lease, blobs: [blob.id], ...found });
    return { ...content, object: { sha256: content.digests.sha256, fence: lease.fence } };
  }

  async internal(size: number): Promise<TestContent> {
    const content = sizedContent(size);
    const ref = imageOf(await this.ports.artifacts.create(newArtifact()));
    const fence = await this.ports.ledger.nextFence();
    await this.ports.blobs.setUploaded(ref, { ...content, contentType: "a/b", fence });
    return content;
  }

  async isThere(sha256: Sha256): Promise<boolean> {
    const going = await this.ports.contents.condemned(100_000);
    const generation = await this.ports.ledger.generation(sha256);
    return generation !== undefined && !going.some((object) => object.sha256 === sha256 && object.fence === generation);
  }

  async set(settings: CapacitySettings): Promise<void> {
    const { revision } = await this.ports.capacity.settings();
    await this.ports.capacity.replace(settings, revision, "test");
  }

  async begin(): Promise<void> {
    await this.clear();
    this.#before = await this.used();
  }

  async clear(): Promise<void> {
    const { space, contents } = this.ports;
    await this.set({});
    await space.releaseAll(this.#holder);
    for (let more = true; more; ) {
      const page = await space.evict(Number.MAX_SAFE_INTEGER, { configured: 0, open: [] });
      more = page.evicted.length > 0;
    }
    for (const object of await contents.condemned(100_000)) await contents.forget(object);
  }
}

function reserving(place: Place): void {
  test("I9: what is reserved counts at once, and beyond the limit nothing is granted", async () => {
    const [one, other] = [await place.claim(), await place.claim()];
    expect(await place.reserve(one, 6 * MIB, 10 * MIB)).toBe("granted");
    expect(await place.reserve(other, 5 * MIB, 10 * MIB)).toBe("full");
    expect(await place.reserve(other, 4 * MIB, 10 * MIB)).toBe("granted");
    expect(await place.reserve(await place.claim(), 1, 10 * MIB)).toBe("full");
    await place.ports.space.release(one.fence);
    expect(await place.reserve(await place.claim(), 6 * MIB, 10 * MIB)).toBe("granted");
  });

  test("what a reservation would be answered is told, and nothing is reserved or evicted for it", async () => {
    const cached = await place.content(6 * MIB);
    const claim = await place.claim();
    const before = [await place.used(), await place.ports.capacity.use()];
    const foresee = (bytes: number, room: number, open: readonly ObjectName[] = []) =>
      place.ports.space.foresee(claim, bytes, { configured: place.limit(room), open });
    const making = place.alone ? "going" : "granted";
    for (let turn = 0; turn < 2; turn += 1) {
      expect(await foresee(4 * MIB, 10 * MIB)).toBe("granted");
      expect(await foresee(5 * MIB, 10 * MIB)).toBe(making);
      expect(await foresee(5 * MIB, 10 * MIB, [cached.object])).toBe("full");
      expect(await foresee(11 * MIB, 10 * MIB)).toBe("full");
    }
    expect([await place.used(), await place.ports.capacity.use()]).toEqual(before);
    expect(await place.isThere(cached.digests.sha256)).toBe(true);
    expect(await place.reserve(claim, 5 * MIB, 10 * MIB)).toBe("granted");
    expect(await place.isThere(cached.digests.sha256)).toBe(false);
  });

  test("a reservation grows and shrinks; one that cannot grow keeps what it has", async () => {
    const claim = await place.claim();
    const before = await place.used();
    expect(await place.reserve(claim, 2 * MIB, 4 * MIB)).toBe("granted");
    expect(await place.reserve(claim, 4 * MIB, 4 * MIB)).toBe("granted");
    expect(await place.reserve(claim, 5 * MIB, 4 * MIB)).toBe("full");
    expect(await place.used()).toBe(before + 4 * MIB);
    expect(await place.reserve(claim, MIB, 4 * MIB)).toBe("granted");
    expect(await place.used()).toBe(before + MIB);
    // Also when the limit was lowered below what is there.
    expect(await place.reserve(claim, 1000, 0)).toBe("granted");
  });

  test("twice for one content is reserved once: whoever takes a fill over takes its room over", async () => {
    const first = await place.claim();
    const second = { ...first, fence: await place.ports.ledger.nextFence(), holder: place.holder };
    expect(await place.reserve(first, 3 * MIB, 4 * MIB)).toBe("granted");
    expect(await place.reserve(second, 3 * MIB, 4 * MIB)).toBe("granted");
    expect(await place.reserve(first, 3 * MIB, 4 * MIB)).toBe("lost");
    const held = await place.used();
    // It is not the first one's any more.
    await place.ports.space.release(first.fence);
    expect(await place.used()).toBe(held);
    await place.ports.space.release(second.fence);
    expect(await place.used()).toBe(held - 3 * MIB);
  });

  test("an admission turns the reservation into content: it counts once before and after", async () => {
    const { leases, contents } = place.ports;
    const content = sizedContent(2 * MIB);
    const { blob } = await located(place.ports);
    const answer = await leases.take(randomUUID(), place.holder, 60_000);
    if (answer.kind !== "taken") throw new Error("a key that nobody else knows is held");
    const { lease } = answer;
    const claim = await place.claim({ fence: lease.fence, key: lease.key, project: "p", origin: "o.example" });
    expect(await place.reserve(claim, content.size, 4 * MIB)).toBe("granted");
    const before = await place.used();
    const found = { ...content, digestSource: "first_fetch", account: { project: "p", origin: "o.example" } } as const;
    await contents.admit({ lease, blobs: [blob.id], ...found });
    expect(await place.used()).toBe(before);
    const { classes, reserved } = await place.ports.capacity.use();
    expect(reserved.filter((row) => row.project === "p")).toEqual([]);
    expect(classes).toContainEqual({
      project: "p",
      origin: "o.example",
      class: "cached",
      bytes: content.size,
      count: 1,
    });
  });

  test("an upload turns its reservation into content as well", async () => {
    const content = sizedContent(2 * MIB);
    const ref = imageOf(await place.ports.artifacts.create(newArtifact()));
    const claim = await place.claim();
    await place.reserve(claim, content.size, 4 * MIB);
    const before = await place.used();
    const { fence } = claim;
    await place.ports.blobs.setUploaded(ref, { ...content, contentType: "a/b", fence });
    expect(await place.used()).toBe(before);
  });

  test("what dead processes reserved is given back, what living ones did stays", async () => {
    const { replicas, space } = place.ports;
    const before = await place.used();
    const living = await place.claim();
    const dead = await place.claim({ holder: `http://dead.example#${randomUUID()}` });
    await replicas.heartbeat(place.holder, [], {});
    await place.reserve(living, MIB, 4 * MIB);
    await place.reserve(dead, MIB, 4 * MIB);
    // It has had no minute yet to be heard of.
    await space.releaseDead();
    expect(await place.used()).toBe(before + 2 * MIB);
    await space.releaseAll(dead.holder);
    expect(await place.used()).toBe(before + MIB);
    await replicas.leave(place.holder);
  });
}

function evicting(place: Place): void {
  test("of what was read equally often the longest unread goes first, and no more than is needed", async () => {
    const oldest = await place.content(30 * MIB);
    const older = await place.content(30 * MIB);
    const newer = await place.content(10 * MIB);
    expect(await place.reserve(await place.claim(), 30 * MIB, 70 * MIB)).toBe("granted");
    const there = [oldest, older, newer].map(({ digests }) => place.isThere(digests.sha256));
    expect(await Promise.all(there)).toEqual([false, true, true]);
  });

  test("with `lru` what was read least recently goes first, whatever it is worth", async () => {
    const { ledger } = place.ports;
    const old = await place.content(MIB);
    const newer = await place.content(3 * MIB);
    const at = (seconds: number) => ({ at: new Date(Date.now() + seconds * 1000), count: 1 });
    await ledger.touch(new Map([[old.digests.sha256, { ...at(1), count: 100 }]]));
    await ledger.touch(new Map([[newer.digests.sha256, at(10)]]));
    const limit = place.limit(5 * MIB);
    await place.set({ eviction: "lru", cacheBytes: limit });
    expect(await place.reserve(await place.claim(), 2 * MIB, 0)).toBe("granted");
    expect(await place.isThere(old.digests.sha256)).toBe(false);
    expect(await place.isThere(newer.digests.sha256)).toBe(true);
  });

  test("what is read again in turn after turn outlives what is newer, and goes in the end once nobody reads it", async () => {
    const favourite = await place.content(MIB);
    const isThere = () => place.isThere(favourite.digests.sha256);
    const read = () => place.ports.ledger.touch(new Map([[favourite.digests.sha256, { at: new Date(), count: 100 }]]));
    const newcomer = async () => {
      await place.content(MIB);
      expect(await place.reserve(await place.claim({ key: "newcomer" }), MIB, 3 * MIB)).toBe("granted");
      await place.ports.space.releaseAll(place.holder);
    };
    for (let round = 0; round < 8; round += 1) {
      await read();
      await newcomer();
      expect(await isThere()).toBe(true);
    }
    let rounds = 0;
    while ((await isThere()) && rounds < 40) {
      rounds += 1;
      await newcomer();
    }
    // More than one that was read once: at a room for three that stays for two rounds.
    expect(rounds).toBeGreaterThan(3);
    expect(rounds).toBeLessThan(40);
  });

  test("I5: internal, pinned and irreplaceable contents and those that are too young never go", async () => {
    const internal = await place.internal(MIB);
    const pinned = await place.content(MIB);
    const pin = { reason: "release", until: undefined, by: "test" };
    await place.ports.capacity.pin(pinned.digests.sha256, pin, place.limit(100 * MIB));
    expect(await place.reserve(await place.claim(), 3 * MIB, 4 * MIB)).toBe("full");
    for (const { digests } of [internal, pinned]) expect(await place.isThere(digests.sha256)).toBe(true);
    await place.ports.capacity.unpin(pinned.digests.sha256);
    expect(await place.reserve(await place.claim(), 3 * MIB, 4 * MIB)).toBe("granted");
    expect(await place.isThere(pinned.digests.sha256)).toBe(false);
    expect(await place.isThere(internal.digests.sha256)).toBe(true);
  });

  test("a pin whose time is over holds nothing", async () => {
    const pinned = await place.content(2 * MIB);
    const pin = { reason: "release", until: new Date(Date.now() - 1000), by: "test" };
    await place.ports.capacity.pin(pinned.digests.sha256, pin, place.limit(100 * MIB));
    expect(await place.reserve(await place.claim(), 2 * MIB, 3 * MIB)).toBe("granted");
    expect(await place.isThere(pinned.digests.sha256)).toBe(false);
  });

  test("what readers have open stays, here and at other replicas", async () => {
    const { replicas } = place.ports;
    const here = await place.content(2 * MIB);
    const there = await place.content(2 * MIB);
    const holder = `http://other.example#${randomUUID()}`;
    await replicas.heartbeat(holder, [there.object], {});
    expect(await place.reserve(await place.claim(), 2 * MIB, 5 * MIB, [here.object])).toBe("full");
    expect(await place.isThere(here.digests.sha256)).toBe(true);
    expect(await place.isThere(there.digests.sha256)).toBe(true);
    expect(await place.reserve(await place.claim(), 2 * MIB, 5 * MIB)).toBe("granted");
    expect(await place.isThere(here.digests.sha256)).toBe(false);
    await replicas.leave(holder);
  });

  test("I5: bytes that readers still read count as used after they were condemned", async () => {
    const content = await place.content(2 * MIB);
    await place.ports.contents.condemn(content.object);
    expect(await place.reserve(await place.claim(), 3 * MIB, 4 * MIB, [content.object])).toBe("full");
    expect(await place.reserve(await place.claim(), 2 * MIB, 4 * MIB, [content.object])).toBe("granted");
  });

  test("when there is not enough to be had, nothing goes for it", async () => {
    const content = await place.content(2 * MIB);
    await place.internal(3 * MIB);
    expect(await place.reserve(await place.claim(), 4 * MIB, 6 * MIB)).toBe("full");
    expect(await place.reserve(await place.claim(), 7 * MIB, 6 * MIB)).toBe("full");
    expect(await place.isThere(content.digests.sha256)).toBe(true);
  });

  test("many that ask at the same time are granted what there is room for, and no more", async () => {
    for (let n = 0; n < 4; n += 1) await place.content(MIB);
    const claims = await Promise.all(Array.from({ length: 12 }, () => place.claim()));
    const limit = place.limit(8 * MIB);
    const outcomes = await Promise.all(claims.map((claim) => place.reserve(claim, MIB, 8 * MIB)));
    expect(outcomes.filter((outcome) => outcome === "granted")).toHaveLength(8);
    expect(await place.used()).toBeLessThanOrEqual(limit);
  });
}

function sharing(place: Place): void {
  const of = (project: string) => ({ project, origin: "origin.example" });

  test("whoever occupies more than its share gives first", async () => {
    const modest = await place.content(MIB, of("modest"));
    const greedy = [await place.content(MIB, of("greedy")), await place.content(MIB, of("greedy"))];
    const limit = place.limit(4 * MIB);
    await place.ports.ledger.touch(
      new Map(greedy.map(({ digests }) => [digests.sha256, { at: new Date(), count: 9 }])),
    );
    await place.set({ cacheBytes: limit, shares: [{ project: "greedy", part: (MIB + 1) / limit }] });
    const claim = await place.claim(of("another"));
    expect(await place.reserve(claim, 2 * MIB, 0)).toBe("granted");
    expect(await place.isThere(modest.digests.sha256)).toBe(true);
    const left = await Promise.all(greedy.map(({ digests }) => place.isThere(digests.sha256)));
    expect(left.filter(Boolean)).toHaveLength(1);
  });

  test("whoever would occupy more than its share makes room among its own, or gets none", async () => {
    const others = await place.content(2 * MIB, of("modest"));
    const own = await place.content(MIB, of("greedy"));
    const limit = place.limit(3 * MIB);
    await place.set({ cacheBytes: limit, shares: [{ project: "greedy", part: (MIB + 1) / limit }] });
    expect(await place.reserve(await place.claim(of("greedy")), 2 * MIB, 0)).toBe("full");
    expect(await place.isThere(own.digests.sha256)).toBe(true);
    expect(await place.reserve(await place.claim(of("greedy")), MIB, 0)).toBe("granted");
    expect(await place.isThere(own.digests.sha256)).toBe(false);
    expect(await place.isThere(others.digests.sha256)).toBe(true);
  });

  test("as long as there is room a share is no limit", async () => {
    const limit = place.limit(4 * MIB);
    await place.set({ cacheBytes: limit, shares: [{ origin: "origin.example", part: MIB / limit }] });
    expect(await place.reserve(await place.claim(of("greedy")), 3 * MIB, 0)).toBe("granted");
  });
}

function inTheBackground(place: Place, alone: boolean): void {
  const down = async (configured: number): Promise<void> => {
    for (let going = false; ; going = true) {
      const page = await place.ports.space.evictDown(going, { configured, open: [] });
      if (alone) for (const { object } of page.evicted) await place.ports.contents.forget(object);
      if (!page.more) return;
    }
  };

  test("above the high watermark everything down to the low one goes; below it nothing does", async () => {
    for (let n = 0; n < 8; n += 1) await place.content(MIB);
    const limit = place.limit(8 * MIB);
    // Of all that is there; what others left cannot go.
    const before = limit - 8 * MIB;
    const low = (before + 4 * MIB) / limit;
    await place.set({ cacheBytes: limit, highWatermark: 1, lowWatermark: low });
    await down(0);
    expect(await place.used()).toBe(before + 8 * MIB);
    await place.set({ cacheBytes: limit, highWatermark: (before + 6 * MIB) / limit, lowWatermark: low });
    await down(0);
    expect(await place.used()).toBeLessThanOrEqual(before + 4 * MIB);
    expect(await place.used()).toBeGreaterThan(before + 2 * MIB);
  });

  test("evict takes at least the bytes that are asked for, if they are there", async () => {
    const [a, b] = [await place.content(MIB), await place.content(MIB)];
    const page = await place.ports.space.evict(MIB, { configured: 0, open: [] });
    expect(page.evicted).toHaveLength(1);
    const left = await Promise.all([a, b].map(({ digests }) => place.isThere(digests.sha256)));
    expect(left.filter(Boolean)).toHaveLength(1);
  });

  test("content that is too old goes though there is room; what is to be kept is kept", async () => {
    const { contents, leases } = place.ports;
    const admit = async (ages: { readonly keepMs?: number; readonly dropMs?: number }) => {
      const content = sizedContent(MIB);
      const { blob } = await located(place.ports);
      const answer = await leases.take(randomUUID(), place.holder, 60_000);
      if (answer.kind !== "taken") throw new Error("a key that nobody else knows is held");
      const account = { project: "", origin: "", ...ages };
      const found = { ...content, digestSource: "first_fetch", account } as const;
      await contents.admit({ lease: answer.lease, blobs: [blob.id], ...found });
      return content.digests.sha256;
    };
    const old = await admit({ dropMs: 0 });
    const kept = await admit({ dropMs: 0, keepMs: 60_000 });
    const young = await admit({ keepMs: 60_000 });
    const plain = await admit({});
    await down(place.limit(100 * MIB));
    const there = await Promise.all([old, kept, young, plain].map((sha256) => place.isThere(sha256)));
    expect(there).toEqual([false, true, true, true]);
    // Young content is not evicted for a fill either.
    expect(await place.reserve(await place.claim(), 3 * MIB, 4 * MIB)).toBe("full");
  });
}
