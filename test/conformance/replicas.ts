import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { CapacityCatalog } from "../../src/domain/capacity.ts";
import type { Fence } from "../../src/domain/content.ts";
import type { Replicas } from "../../src/domain/replica.ts";
import { type CatalogPorts, condemnedContent, fill, located, someContent } from "../catalog/records.ts";

const someHolder = () => `http://replica.test:8080#${randomUUID()}`;

/** What all replicas' rows do; `ports` answers ones that tests share. */
export function replicasConformance(
  name: string,
  ports: () => CatalogPorts & { readonly replicas: Replicas; readonly capacity: CapacityCatalog },
): void {
  const found = async (holder: string, milliseconds = 60_000) =>
    (await ports().replicas.alive(milliseconds)).find((replica) => replica.holder === holder);

  describe(`${name} knows the replicas`, () => {
    test("a heartbeat tells that a process lives, and answers the database's time", async () => {
      const holder = someHolder();
      expect(await found(holder)).toBeUndefined();
      const first = await ports().replicas.heartbeat(holder, [], {});
      expect(Math.abs(first - Date.now())).toBeLessThan(60_000);
      const before = await found(holder);
      expect(before).toMatchObject({ holder, seenAt: new Date(first) });
      const report = { spool: { used: 1, limit: 2 } };
      const second = await ports().replicas.heartbeat(holder, [], report);
      expect(second).toBeGreaterThanOrEqual(first);
      expect(await found(holder)).toEqual({ holder, startedAt: before?.startedAt, seenAt: new Date(second), report });
    });

    test("one that was not heard of within the time asked for is not alive", async () => {
      const holder = someHolder();
      await ports().replicas.heartbeat(holder, [], {});
      expect(await found(holder, 0)).toBeUndefined();
    });

    test("one that leaves is gone at once, and no other", async () => {
      const [leaving, staying] = [someHolder(), someHolder()];
      await ports().replicas.heartbeat(leaving, [], {});
      await ports().replicas.heartbeat(staying, [], {});
      await ports().replicas.leave(leaving);
      await ports().replicas.leave(leaving);
      expect(await found(leaving)).toBeUndefined();
      expect(await found(staying)).toBeDefined();
    });

    test("the heartbeats of many at the same time are all heard", async () => {
      const holders = Array.from({ length: 20 }, someHolder);
      await Promise.all(holders.map((holder) => ports().replicas.heartbeat(holder, [], {})));
      for (const holder of holders) expect(await found(holder)).toBeDefined();
    });
  });

  describe(`${name} spares what content that came back lay under before`, () => {
    test("as long as a replica has it open, and offers it then", async () => {
      const { replicas, contents, capacity } = ports();
      const content = someContent();
      const { blob } = await located(ports());
      const first = await fill(ports(), content, blob);
      if (first.kind !== "admitted") throw new Error("it was not admitted");
      const holder = someHolder();
      await replicas.heartbeat(holder, [first.object], {});
      await contents.condemn(first.object);
      expect(await fill(ports(), content, blob)).toMatchObject({ kind: "admitted" });
      const going = async () => {
        const { classes } = await capacity.use();
        return classes.filter((row) => row.class === "condemned").reduce((sum, { bytes }) => sum + bytes, 0);
      };
      const before = await going();
      expect(before).toBeGreaterThanOrEqual(content.size);
      const sparing = { graceMs: 0, spareOpen: true };
      expect(await contents.condemned(100_000, sparing)).not.toContainEqual(first.object);
      expect(await contents.condemned(100_000, { graceMs: 60_000, spareOpen: false })).not.toContainEqual(first.object);
      await replicas.heartbeat(holder, [], {});
      expect(await contents.condemned(100_000, sparing)).toContainEqual(first.object);
      expect(await contents.forget(first.object)).toBe(true);
      expect(await going()).toBe(before - content.size);
      expect((await ports().blobs.resolve(blob))?.content).toBeDefined();
    });
  });

  describe(`${name} spares condemned content`, () => {
    const isOffered = async (sha256: string, sparing: { graceMs: number; spareOpen: boolean }) =>
      (await ports().contents.condemned(100_000, sparing)).some((object) => object.sha256 === sha256);

    test("that a replica has open, until its next heartbeat says otherwise or it leaves", async () => {
      const { replicas } = ports();
      const sparing = { graceMs: 0, spareOpen: true };
      const [a, b] = [await condemnedContent(ports()), await condemnedContent(ports())];
      const holder = someHolder();
      await replicas.heartbeat(holder, [a, b], {});
      expect(await isOffered(a.sha256, sparing)).toBe(false);
      expect(await isOffered(b.sha256, sparing)).toBe(false);
      expect(await isOffered(a.sha256, { graceMs: 0, spareOpen: false })).toBe(true);
      await replicas.heartbeat(holder, [b], {});
      expect(await isOffered(a.sha256, sparing)).toBe(true);
      expect(await isOffered(b.sha256, sparing)).toBe(false);
      await replicas.leave(holder);
      expect(await isOffered(b.sha256, sparing)).toBe(true);
    });

    test("of another generation than the one that is open it does not", async () => {
      const { replicas } = ports();
      const object = await condemnedContent(ports());
      const holder = someHolder();
      const other = { sha256: object.sha256, fence: (object.fence + 1) as Fence };
      await replicas.heartbeat(holder, [other, { sha256: someContent().digests.sha256, fence: object.fence }], {});
      expect(await isOffered(object.sha256, { graceMs: 0, spareOpen: true })).toBe(true);
      await replicas.leave(holder);
    });

    test("for its time of grace", async () => {
      const { sha256 } = await condemnedContent(ports());
      expect(await isOffered(sha256, { graceMs: 3_600_000, spareOpen: true })).toBe(false);
      expect(await isOffered(sha256, { graceMs: 3_600_000, spareOpen: false })).toBe(false);
      await expect.poll(() => isOffered(sha256, { graceMs: 50, spareOpen: true })).toBe(true);
    });
  });
}
