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

  const takenOver = async (lease: Lease, holder: string, certain: boolean): Promise<Lease> => {
    const answer = await make().takeOver(lease, holder, 60_000, certain);
    if (answer.kind !== "taken") throw new Error(`the lease is held by ${answer.by.holder}`);
    return answer.lease;
  };

  describe(`${name} has leases`, () => {
    test("a free one is taken, a held one tells by whom", async () => {
      const key = randomUUID();
      const lease = await taken(key, "one", 60_000);
      expect(lease).toMatchObject({ key, holder: "one" });
      expect(await make().take(key, "two", 60_000)).toEqual({ kind: "held", by: lease, expired: false });
      expect(await make().take(key, "one", 60_000)).toEqual({ kind: "held", by: lease, expired: false });
    });

    test("of many at the same time one gets it, and all others are told of that one", async () => {
      const key = randomUUID();
      const answers = await Promise.all(Array.from({ length: 20 }, (_, n) => make().take(key, `${n}`, 60_000)));
      const winners = answers.flatMap((answer) => (answer.kind === "taken" ? [answer.lease] : []));
      expect(winners).toHaveLength(1);
      for (const answer of answers) if (answer.kind === "held") expect(answer.by).toEqual(winners[0]);
    });

    test("an expired one stays its holder's until it is taken over, under a greater fence", async () => {
      const key = randomUUID();
      const first = await taken(key, "one", 0);
      expect(await make().take(key, "two", 60_000)).toEqual({ kind: "held", by: first, expired: true });
      const second = await takenOver(first, "two", false);
      expect(second.fence).toBeGreaterThan(first.fence);
      expect(await make().renew(first, 60_000)).toBe(false);
      expect(await make().renew(second, 60_000)).toBe(true);
    });

    test("one that lives is taken over only from a holder that is certainly not there", async () => {
      const key = randomUUID();
      const first = await taken(key, "one", 60_000);
      expect(await make().takeOver(first, "two", 60_000, false)).toEqual({ kind: "held", by: first, expired: false });
      const second = await takenOver(first, "two", true);
      expect(second.fence).toBeGreaterThan(first.fence);
      expect(await make().renew(first, 60_000)).toBe(false);
    });

    test("only the lease that was seen is taken over: of many who try, one gets it", async () => {
      const key = randomUUID();
      const first = await taken(key, "one", 0);
      const answers = await Promise.all(
        Array.from({ length: 10 }, (_, n) => make().takeOver(first, `${n}`, 60_000, true)),
      );
      const winners = answers.flatMap((answer) => (answer.kind === "taken" ? [answer.lease] : []));
      expect(winners).toHaveLength(1);
      for (const answer of answers) if (answer.kind === "held") expect(answer.by).toEqual(winners[0]);
    });

    test("one that was released meanwhile is simply taken", async () => {
      const key = randomUUID();
      const first = await taken(key, "one", 60_000);
      await make().release(first);
      expect((await takenOver(first, "two", false)).fence).toBeGreaterThan(first.fence);
    });

    test("a taken-over one cannot be released by who lost it", async () => {
      const key = randomUUID();
      const first = await taken(key, "one", 0);
      const second = await takenOver(first, "one", false);
      await make().release(first);
      expect(await make().take(key, "three", 60_000)).toEqual({ kind: "held", by: second, expired: false });
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
      expect(await make().take(key, "two", 60_000)).toEqual({ kind: "held", by: lease, expired: true });
    });

    test("whoever asks learns who has it, and when nobody has", async () => {
      const key = randomUUID();
      expect(await make().find(key)).toBeUndefined();
      const lease = await taken(key, "one", 0);
      expect(await make().find(key)).toEqual({ kind: "held", by: lease, expired: true });
      await make().renew(lease, 60_000);
      expect(await make().find(key)).toEqual({ kind: "held", by: lease, expired: false });
      await make().release(lease);
      expect(await make().find(key)).toBeUndefined();
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
