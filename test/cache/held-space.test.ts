import { beforeEach, describe, expect, test } from "vitest";
import { Fill } from "../../src/cache/fill.ts";
import { HeldSpace } from "../../src/cache/held-space.ts";
import type { Fence } from "../../src/domain/content.ts";
import { CisternError } from "../../src/domain/errors.ts";
import type { ContentRules } from "../../src/domain/policy/content-rules.ts";
import type { Reserved, Room } from "../../src/domain/space.ts";
import { ManualClock } from "../support/manual-clock.ts";

const LEASE = { key: "content@alpha", fence: 7 as Fence, holder: "here" };
const STAY = new AbortController().signal;
const STEP = 100;

/** Room for so many bytes, as one ledger answers. */
class Shelf implements Room {
  readonly step = STEP;
  limit = 1000;
  reserved: number | undefined;
  asked: number[] = [];
  answer: (bytes: number) => Promise<Reserved> = async (bytes) => (bytes <= this.limit ? "granted" : "full");

  fits(bytes: number): boolean {
    return bytes <= 1000;
  }

  async reserve(_claim: unknown, bytes: number): Promise<Reserved> {
    this.asked.push(bytes);
    const answer = await this.answer(bytes);
    if (answer === "granted") this.reserved = bytes;
    return answer;
  }

  async has(_claim: unknown, bytes: number): Promise<boolean> {
    return (await this.answer(bytes)) === "granted";
  }

  async release(): Promise<void> {
    this.reserved = undefined;
  }
}

let shelf: Shelf;
let clock: ManualClock;

beforeEach(() => {
  shelf = new Shelf();
  clock = new ManualClock();
});

function fillOf(size: number | undefined, onFull: "pass" | "queue" | "reject" = "pass", keep = true): Fill {
  const rule = "test";
  const rules: ContentRules = {
    require: { value: "none", rule },
    verify: { value: "on-first-read", rule },
    prefetch: undefined,
    pinFor: undefined,
    minAge: undefined,
    maxAge: undefined,
    maxSize: undefined,
    onFull: { value: onFull, rule },
    revalidateEvery: undefined,
  };
  const named = { key: LEASE.key, domain: "content", project: "alpha", sources: [], digests: {} };
  return new Fill("fill-1", { ...named, size, keep, image: false, rules }, 0, () => 0);
}

async function take(fill: Fill, mayPass = true): Promise<HeldSpace> {
  const ports = { room: shelf, clock, holder: "here", mayPass: () => mayPass };
  const held = new HeldSpace(fill, ports, LEASE, STAY);
  try {
    if (!(await held.begin(undefined))) await held.wait();
    return held;
  } catch (error) {
    await held[Symbol.asyncDispose]();
    throw error;
  }
}

describe("the room that a fill holds (I9)", () => {
  test("of a known size is reserved whole, before a byte, and given back when nothing comes of it", async () => {
    {
      await using held = await take(fillOf(500));
      expect([shelf.reserved, held.kept]).toEqual([500, true]);
      expect(held.cover(500)).toBeUndefined();
    }
    expect(shelf.reserved).toBeUndefined();
  });

  test("that took long to be made is answered with another question to the origin, and is asked for once", async () => {
    shelf.answer = async () => {
      clock.advance(5_000);
      return "granted";
    };
    await using held = new HeldSpace(
      fillOf(500),
      { room: shelf, clock, holder: "here", mayPass: () => true },
      LEASE,
      STAY,
    );
    expect(await held.begin(600)).toBe(false);
    await held.wait();
    expect(await held.begin(700)).toBe(true);
    expect([shelf.asked, held.kept]).toEqual([[600], true]);
  });

  test("of an unknown size grows ahead of the bytes, and is cut to them at the verdict", async () => {
    await using held = await take(fillOf(undefined));
    expect(shelf.reserved).toBe(STEP);
    expect(held.cover(STEP / 2)).toBeUndefined();
    // A quarter of a step before the end more is asked for, and nobody waits for it.
    expect(held.cover(80)).toBeUndefined();
    await held.cover(150);
    expect(shelf.reserved).toBe(200);
    await held.cover(310);
    expect(shelf.reserved).toBeGreaterThanOrEqual(310);
    expect(await held.settle(320)).toBe(true);
    expect(shelf.reserved).toBe(320);
  });

  test.each([400, undefined])("of size %s that was reserved although no answer came is given back", async (size) => {
    shelf.answer = async (bytes) => {
      shelf.reserved = bytes;
      throw new CisternError("catalog-unavailable", "the connection broke after the commit");
    };
    const fill = fillOf(size);
    {
      await using held = await take(fill);
      // It goes on, and asks again in the end.
      expect([held.kept, fill.passing]).toEqual([false, true]);
    }
    expect(shelf.reserved).toBeUndefined();
  });

  test("that was asked for at the verdict, and not answered, is given back", async () => {
    {
      await using held = await take(fillOf(2000, "pass"));
      expect(held.kept).toBe(false);
      shelf.answer = async (bytes) => {
        shelf.reserved = bytes;
        throw new CisternError("catalog-unavailable", "the connection broke after the commit");
      };
      await expect(held.settle(2000)).rejects.toMatchObject({ code: "catalog-unavailable" });
    }
    expect(shelf.reserved).toBeUndefined();
  });

  test("is taken exactly when the origin tells how much will come", async () => {
    const fill = fillOf(undefined);
    await using held = await take(fill);
    fill.open(60);
    await held.cover(10);
    await expect.poll(() => shelf.reserved).toBe(60);
    shelf.asked = [];
    expect(held.cover(60)).toBeUndefined();
    expect(shelf.asked).toEqual([]);
  });

  test("what has become content is not given back", async () => {
    {
      await using held = await take(fillOf(500));
      held.spent();
    }
    expect(shelf.reserved).toBe(500);
  });

  test("a fill that is not to be kept reserves nothing", async () => {
    await using held = await take(fillOf(500, "pass", false));
    expect([shelf.asked, held.kept, await held.settle(500)]).toEqual([[], false, false]);
  });
});

describe("when there is no room", () => {
  test("`pass` goes on without, and keeps all the same when there is room in the end", async () => {
    shelf.limit = 100;
    const fill = fillOf(500);
    await using held = await take(fill);
    expect([fill.passing, held.kept]).toEqual([true, false]);
    expect(held.cover(400)).toBeUndefined();
    expect(await held.settle(500)).toBe(false);
    shelf.limit = 1000;
    expect(await held.settle(500)).toBe(true);
    expect(fill.passing).toBe(false);
  });

  test("`pass` is busy when enough pass already", async () => {
    shelf.limit = 100;
    await expect(take(fillOf(500), false)).rejects.toMatchObject({ code: "too-busy", retryAfter: 30 });
    expect(shelf.reserved).toBeUndefined();
  });

  test("`queue` waits for room, and is busy after half a minute", async () => {
    shelf.limit = 100;
    const taken = take(fillOf(500, "queue"));
    await expect.poll(() => clock.sleeping).toBe(1);
    shelf.limit = 1000;
    clock.advance(500);
    await using held = await taken;
    expect([shelf.reserved, held.kept]).toEqual([500, true]);

    shelf.limit = 100;
    const late = take(fillOf(600, "queue"));
    late.catch(() => undefined);
    for (let waited = 0; waited < 31_000; waited += 500) {
      await expect
        .poll(() => clock.sleeping)
        .toBe(1)
        .catch(() => undefined);
      clock.advance(500);
      await new Promise(setImmediate);
      if (clock.sleeping === 0 && waited > 30_000) break;
    }
    await expect(late).rejects.toMatchObject({ code: "too-busy", retryAfter: 30 });
  });

  test("`queue` does not wait for what can never fit", async () => {
    await expect(take(fillOf(5000, "queue"))).rejects.toMatchObject({ code: "no-space" });
  });

  test("`reject` fails at once", async () => {
    shelf.limit = 100;
    await expect(take(fillOf(500, "reject"))).rejects.toMatchObject({ code: "no-space" });
  });

  test.for(
    (["pass", "queue", "reject"] as const).flatMap((onFull) =>
      [100, 500, 5000, undefined].flatMap((size) =>
        [true, false].flatMap((mayPass) => [true, false].map((keep) => ({ onFull, size, mayPass, keep }))),
      ),
    ),
  )("what is foreseen is what comes: %j", async ({ onFull, size, mayPass, keep }) => {
    shelf.limit = 100;
    const ports = { room: shelf, holder: "here", mayPass: () => mayPass };
    const foreseen = await HeldSpace.foresee(fillOf(size, onFull, keep), ports).catch((error) => error.code);
    expect([shelf.asked, shelf.reserved]).toEqual([[], undefined]);
    const taken = take(fillOf(size, onFull, keep), mayPass).then(
      (held) => (held.kept ? "kept" : "passed"),
      (error) => error.code,
    );
    for (let turn = 0; turn < 20 && clock.sleeping === 0; turn += 1) await new Promise(setImmediate);
    expect(clock.sleeping === 0 ? await taken : "waits").toBe(foreseen);
  });

  test("while bytes come `reject` ends the fill, and gives back what it had; `pass` goes on", async () => {
    for (const [onFull, code] of [
      ["reject", "no-space"],
      ["queue", "too-busy"],
      ["pass", undefined],
    ] as const) {
      shelf.limit = STEP;
      const fill = fillOf(undefined, onFull);
      await using held = await take(fill);
      const covered = Promise.resolve(held.cover(STEP + 1));
      if (code === undefined) await covered;
      else await expect(covered).rejects.toMatchObject({ code });
      expect([shelf.reserved, fill.passing]).toEqual([undefined, code === undefined]);
    }
  });

  test("a catalog that is away while bytes come ends nothing: room is asked for again in the end", async () => {
    const fill = fillOf(undefined);
    await using held = await take(fill);
    const { answer } = shelf;
    shelf.answer = () => Promise.reject(new CisternError("catalog-unavailable", "away"));
    await held.cover(STEP + 1);
    expect(fill.passing).toBe(true);
    shelf.answer = answer;
    expect(await held.settle(300)).toBe(true);
    expect(shelf.reserved).toBe(300);
  });

  test("whoever was taken over gives back nothing that is another's now", async () => {
    {
      await using held = await take(fillOf(undefined));
      shelf.answer = async () => "lost";
      await held.cover(STEP + 1);
      expect(await held.settle(300)).toBe(false);
    }
    expect(shelf.reserved).toBe(STEP);
  });
});
