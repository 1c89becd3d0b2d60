import { describe, expect, test } from "vitest";
import { EgressQuota } from "../../src/cache/egress-quota.ts";
import type { Behalf } from "../../src/domain/egress.ts";
import { CisternError } from "../../src/domain/errors.ts";
import type { Charged, QuotaCatalog } from "../../src/domain/quotas.ts";
import { ManualClock } from "../support/manual-clock.ts";

const of = (fill: string): Behalf => ({ project: "blue", blob: "artifacts/1/image", fill, size: undefined });

/** One project's day. */
class Day implements QuotaCatalog {
  bytes = 0;
  charges = 0;
  away = false;

  async charge(_: string, bytes: number, limit: number): Promise<Charged> {
    this.charges += 1;
    const admitted = this.bytes < limit && this.bytes + bytes <= limit;
    if (admitted) this.bytes += bytes;
    return { admitted, used: this.bytes, limit };
  }
  async count(deltas: ReadonlyMap<string, number>): Promise<void> {
    if (this.away) throw new CisternError("catalog-unavailable", "away");
    for (const delta of deltas.values()) this.bytes += delta;
  }
  used = () => Promise.reject(new Error("not asked for"));
  find = () => Promise.reject(new Error("not asked for"));
  list = () => Promise.reject(new Error("not asked for"));
  async foresee(_: string, bytes: number, limit: number): Promise<Charged> {
    return { admitted: this.bytes < limit && this.bytes + bytes <= limit, used: this.bytes, limit };
  }
  change = () => Promise.reject(new Error("not asked for"));
  expire = () => Promise.reject(new Error("not asked for"));
}

function setUp(limit = 1_000) {
  const day = new Day();
  const clock = new ManualClock();
  return { day, clock, quota: new EgressQuota({ quotas: day, clock, limitOf: () => limit }) };
}

describe("the daily quota", () => {
  test("charges a known length before it is fetched: fills that start together do not pass it together", async () => {
    const { quota, day } = setUp();
    await quota.admit(of("1"), 600);
    await expect(quota.admit(of("2"), 600)).rejects.toMatchObject({ code: "egress-quota" });
    await quota.admit(of("3"), 400);
    quota.count(of("1"), 600);
    quota.count(of("3"), 400);
    quota.over("1");
    quota.over("3");
    await quota.flush();
    expect(day.bytes).toBe(1_000);
  });

  test("tells to come back at midnight UTC", async () => {
    const { quota, clock } = setUp(0);
    clock.advance(23 * 3_600_000);
    const left = 86_400 - (clock.now().getTime() % 86_400_000) / 1000;
    await expect(quota.admit(of("1"), 1)).rejects.toMatchObject({ code: "egress-quota", retryAfter: Math.ceil(left) });
  });

  test("lets who was charged end, and counts all that comes", async () => {
    const { quota, day } = setUp();
    await quota.admit(of("1"), 1_000);
    quota.count(of("1"), 1_000);
    await quota.flush();
    // Fetched once more, from another source.
    quota.count(of("1"), 600);
    await quota.flush();
    quota.count(of("1"), 1);
    await quota.flush();
    expect(day.bytes).toBe(1_601);
    await expect(quota.admit(of("2"), undefined)).rejects.toMatchObject({ code: "egress-quota" });
  });

  test("ends what nobody could charge, for it may have no end, when nothing is left", async () => {
    const { quota, day } = setUp();
    await quota.admit(of("1"), undefined);
    quota.count(of("1"), 900);
    await quota.flush();
    quota.count(of("1"), 4_100);
    await quota.flush();
    expect(() => quota.count(of("1"), 1)).toThrow(expect.objectContaining({ code: "egress-quota" }));
    await expect(quota.admit(of("1"), undefined)).rejects.toMatchObject({ code: "egress-quota" });
    quota.over("1");
    await quota.flush();
    expect(day.bytes).toBe(5_001);
  });

  test("takes nothing back of another day: what was not fetched yesterday is no credit for today", async () => {
    const { quota, day, clock } = setUp();
    await quota.admit(of("1"), 1_000);
    clock.advance(24 * 3_600_000);
    day.bytes = 0;
    await quota.admit(of("2"), 1_000);
    quota.over("1");
    await quota.flush();
    expect(day.bytes).toBe(1_000);
    await expect(quota.admit(of("3"), 1)).rejects.toMatchObject({ code: "egress-quota" });
  });

  test("judges a length that the answer tells, once", async () => {
    const { quota, day } = setUp();
    await quota.admit(of("1"), undefined);
    await quota.admit(of("1"), 900);
    expect(day.bytes).toBe(900);
    // A resume asks again, and is charged for nothing.
    await quota.admit(of("1"), 900);
    await quota.admit(of("1"), undefined);
    expect([day.bytes, day.charges]).toEqual([900, 2]);
    await quota.admit(of("2"), undefined);
    await expect(quota.admit(of("2"), 101)).rejects.toMatchObject({ code: "egress-quota" });
  });

  test("takes back what was charged and did not come, and adds what came twice", async () => {
    const { quota, day } = setUp();
    await quota.admit(of("1"), 900);
    quota.count(of("1"), 100);
    quota.over("1");
    await quota.flush();
    expect(day.bytes).toBe(100);
    await quota.admit(of("2"), 300);
    quota.count(of("2"), 300);
    quota.count(of("2"), 250);
    quota.over("2");
    quota.over("2");
    await quota.flush();
    expect(day.bytes).toBe(650);
  });

  test("loses nothing while the catalog is away", async () => {
    const { quota, day } = setUp();
    day.away = true;
    quota.count(of("1"), 5);
    await expect(quota.flush()).rejects.toMatchObject({ code: "catalog-unavailable" });
    quota.count(of("1"), 6);
    day.away = false;
    await quota.flush();
    await quota.flush();
    expect(day.bytes).toBe(11);
  });
});
