import { afterEach, describe, expect, test } from "vitest";
import type { CapacityCatalog, CapacitySettings } from "../../src/domain/capacity.ts";
import { type CatalogPorts, fill, located, sizedContent } from "../catalog/records.ts";

const MIB = 1024 * 1024;

/** What every keeper of the capacity's settings does; `ports` answers one that tests share. */
export function capacityCatalogConformance(
  name: string,
  ports: () => CatalogPorts & { readonly capacity: CapacityCatalog },
): void {
  const set = async (settings: CapacitySettings) => {
    const { revision } = await ports().capacity.settings();
    return ports().capacity.replace(settings, revision, "somebody");
  };

  describe(`${name} keeps the settings of the capacity`, () => {
    afterEach(() => set({}));

    test("what was set is told, whole, with who set it", async () => {
      const before = await ports().capacity.settings();
      const settings = {
        cacheBytes: 10 * MIB,
        highWatermark: 0.8,
        lowWatermark: 0.5,
        pinMaxBytes: MIB,
        shares: [
          { project: "alpha", part: 0.25 },
          { origin: "origin.example:8080", part: 1 },
        ],
        eviction: "lru",
        hotBytes: 0,
        spoolBytes: 64 * MIB,
      } as const;
      const replaced = await set(settings);
      expect(replaced).toMatchObject({ settings, revision: before.revision + 1, updatedBy: "somebody" });
      expect(await ports().capacity.settings()).toEqual(replaced);
      expect((await set({ eviction: "gdsf" })).settings).toEqual({ eviction: "gdsf" });
    });

    test("settings that have changed meanwhile are not overwritten", async () => {
      const { revision } = await ports().capacity.settings();
      await ports().capacity.replace({ cacheBytes: 1 }, revision, "first");
      const second = ports().capacity.replace({ cacheBytes: 2 }, revision, "second");
      await expect(second).rejects.toMatchObject({ code: "precondition-failed" });
      expect((await ports().capacity.settings()).settings).toEqual({ cacheBytes: 1 });
    });
  });

  describe(`${name} pins contents`, () => {
    afterEach(() => set({}));
    const pin = { reason: "release", until: undefined, by: "somebody" };
    const pinned = async () => {
      const { classes } = await ports().capacity.use();
      return classes.filter((row) => row.class === "pinned").reduce((sum, { bytes }) => sum + bytes, 0);
    };
    const content = async (size: number) => {
      const made = sizedContent(size);
      const { blob } = await located(ports());
      await fill(ports(), made, blob);
      return made.digests.sha256;
    };

    test("pinned content counts as pinned until it is unpinned; twice is once", async () => {
      const before = await pinned();
      const sha256 = await content(MIB);
      await ports().capacity.pin(sha256, pin, 100 * MIB);
      await ports().capacity.pin(sha256, { ...pin, reason: "another" }, 100 * MIB);
      expect(await pinned()).toBe(before + MIB);
      await ports().capacity.unpin(sha256);
      await ports().capacity.unpin(sha256);
      expect(await pinned()).toBe(before);
    });

    test("I9: pins together hold no more than they may: half of the limit, or what was set", async () => {
      const before = await pinned();
      const [a, b] = [await content(2 * MIB), await content(MIB)];
      const configured = 2 * (before + 2 * MIB);
      await ports().capacity.pin(a, pin, configured);
      await expect(ports().capacity.pin(b, pin, configured)).rejects.toMatchObject({ code: "pin-limit" });
      await set({ pinMaxBytes: before + 3 * MIB });
      const both = await Promise.allSettled([
        ports().capacity.pin(b, pin, configured),
        ports().capacity.pin(await content(MIB), pin, configured),
      ]);
      expect(both.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
      expect(await pinned()).toBe(before + 3 * MIB);
    });

    test("content that is not there cannot be pinned or unpinned", async () => {
      const { sha256 } = sizedContent(1).digests;
      await expect(ports().capacity.pin(sha256, pin, MIB)).rejects.toMatchObject({ code: "content-not-found" });
      await expect(ports().capacity.unpin(sha256)).rejects.toMatchObject({ code: "content-not-found" });
    });
  });
}
