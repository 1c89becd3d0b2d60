import { randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { Lease, Leases } from "../../src/domain/lease.ts";

/** What all leases do; `make` answers ones that tests share. */
export function leasesConformance(name: string, make: () => Leases): void {
  const taken = async (key: string, holder: string, milliseconds: number): Promise<Lease> => {
    const answer = await make().take(key, holder, milliseconds);
    if (answer.kind !== "taken") throw new Error(`the lease is held by ${answer.by.holder}`);
    return answer.lease;
  };

  describe(`${name} has leases`, () => {
    test("a free one is taken, a held one tells by whom", async () => {
      const key = randomUUID();
      const lease = await taken(key, "one", 60_000);
      expect(lease).toMatchObject({ key, holder: "one" });
      expect(await make().take(key, "two", 60_000)).toEqual({ kind: "held", by: lease });
      expect(await make().take(key, "one", 60_000)).toEqual({ kind: "held", by: lease });
    });

    test("of many at the same time one gets it, and all others are told of that one", async () => {
      const key = randomUUID();
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => make().take(key, `${n}`, 60_000)));
      const winners = answers.flatMap((answer) => (answer.kind === "taken" ? [answer.lease] : []));
      expect(winners).toHaveLength(1);
      for (const answer of answers) if (answer.kind === "held") expect(answer.by).toEqual(winners[0]);
    });

    test("an expired one is taken over under a greater fence, and its holder is told at the renewal", async () => {
      const key = randomUUID();
      const first = await taken(key, "one", 0);
      const second = await taken(key, "two", 60_000);
      expect(second.fence).toBeGreaterThan(first.fence);
      expect(await make().renew(first, 60_000)).toBe(false);
      expect(await make().renew(second, 60_000)).toBe(true);
    });

    test("a taken-over one cannot be released by who lost it", async () => {
      const key = randomUUID();
      const first = await taken(key, "one", 0);
      const second = await taken(key, "one", 60_000);
      await make().release(first);
      expect(await make().take(key, "three", 60_000)).toEqual({ kind: "held", by: second });
    });

    test("a renewal counts from now: an expired one that nobody took lives again", async () => {
      const key = randomUUID();
      const lease = await taken(key, "one", 0);
      expect(await make().renew(lease, 60_000)).toBe(true);
      expect((await make().take(key, "two", 60_000)).kind).toBe("held");
    });

    test("a renewal may shorten it to nothing", async () => {
      const key = randomUUID();
      const lease = await taken(key, "one", 60_000);
      expect(await make().renew(lease, 0)).toBe(true);
      expect((await make().take(key, "two", 60_000)).kind).toBe("taken");
    });

    test("released, it is free; releasing again is no error", async () => {
      const key = randomUUID();
      const lease = await taken(key, "one", 60_000);
      await make().release(lease);
      await make().release(lease);
      expect(await make().renew(lease, 60_000)).toBe(false);
      expect((await taken(key, "two", 60_000)).fence).toBeGreaterThan(lease.fence);
    });

    test("releaseAll ends those of one holder and of nobody else", async () => {
      const [a, b, c] = [randomUUID(), randomUUID(), randomUUID()];
      const holder = randomUUID();
      await taken(a, holder, 60_000);
      await taken(b, holder, 60_000);
      await taken(c, "another", 60_000);
      await make().releaseAll(holder);
      expect((await make().take(a, "next", 60_000)).kind).toBe("taken");
      expect((await make().take(b, "next", 60_000)).kind).toBe("taken");
      expect((await make().take(c, "next", 60_000)).kind).toBe("held");
    });
  });
}
