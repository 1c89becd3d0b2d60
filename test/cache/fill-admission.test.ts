import fc from "fast-check";
import { beforeEach, describe, expect, test } from "vitest";
import { type Entrant, FillAdmission, type Place } from "../../src/cache/fill-admission.ts";
import { FILL_LIMITS, type FillLimits } from "../../src/domain/fill-limits.ts";
import { ManualClock } from "../support/manual-clock.ts";

const NEVER = new AbortController().signal;

interface Fetch extends Entrant {
  demanded: boolean;
  idle: boolean;
  put: number;
}

let clock: ManualClock;
let limits: FillLimits;
let admission: FillAdmission;

beforeEach(() => {
  clock = new ManualClock();
  limits = { ...FILL_LIMITS, total: 8, perProject: 4, perOrigin: 4, prefetchAtOnce: 2 };
  admission = new FillAdmission(() => limits, clock);
});

function fetchOf(project: string, origin: string, demanded = true): Fetch {
  return {
    ...{ project, origin, demanded, idle: !demanded, put: 0 },
    putOff() {
      this.put += 1;
    },
  };
}

function enterNow(entrant: Fetch): Place {
  const place = admission.tryEnter(entrant);
  if (place === undefined) throw new Error("there is no place");
  return place;
}

/** What becomes of one that waits. */
function waitFor(entrant: Fetch, signal = NEVER): { state: string; place: Place | undefined } {
  const seen: { state: string; place: Place | undefined } = { state: "waits", place: undefined };
  admission.enter(entrant, signal).then(
    (place) => Object.assign(seen, { state: "inside", place }),
    (error) => Object.assign(seen, { state: error.code ?? String(error) }),
  );
  return seen;
}

const settle = () => new Promise((resolve) => setImmediate(resolve));

describe("limits", () => {
  test("one project, one origin and all together have no more than theirs", () => {
    for (let n = 0; n < 4; n += 1) enterNow(fetchOf("a", `o${n}`));
    expect(admission.tryEnter(fetchOf("a", "x"))).toBeUndefined();
    for (let n = 0; n < 4; n += 1) enterNow(fetchOf(`p${n}`, "o"));
    expect(admission.count).toEqual({ inside: 8, waiting: 0 });
    expect(admission.tryEnter(fetchOf("b", "y"))).toBeUndefined();
  });

  test("whether one would wait is told without letting it in; what nobody's end would let in is refused", async () => {
    const next = () => fetchOf("a", "o");
    for (let n = 0; n < 4; n += 1) {
      expect(admission.wouldWait(next())).toBe(false);
      enterNow(next());
    }
    expect(admission.wouldWait(next())).toBe(true);
    expect(admission.wouldWait(fetchOf("b", "other"))).toBe(false);
    expect(admission.count).toEqual({ inside: 4, waiting: 0 });
    limits = { ...limits, ofProject: new Map([["b", 0]]) } as FillLimits;
    expect(() => admission.wouldWait(fetchOf("b", "other"))).toThrow(expect.objectContaining({ code: "too-busy" }));
    const refused = waitFor(fetchOf("b", "other"));
    for (const milliseconds of [5_000, 25_000]) {
      await settle();
      clock.advance(milliseconds);
    }
    await expect.poll(() => refused.state).toBe("too-busy");
  });

  test("a project that may fetch nothing fetches nothing ahead either", () => {
    limits = { ...limits, perProject: 0 };
    expect(admission.tryEnter(fetchOf("a", "o"))).toBeUndefined();
    expect(admission.tryEnter(fetchOf("a", "o", false))).toBeUndefined();
  });

  test("what is taken from the store counts for nobody, but takes a place", () => {
    const stored = { project: undefined, origin: undefined, demanded: true, idle: false, putOff: () => undefined };
    for (let n = 0; n < 8; n += 1) expect(admission.tryEnter({ ...stored })).toBeDefined();
    expect(admission.tryEnter({ ...stored })).toBeUndefined();
  });

  test("a place is given back once, however often it is disposed of", () => {
    const place = enterNow(fetchOf("a", "o"));
    place[Symbol.dispose]();
    place[Symbol.dispose]();
    for (let n = 0; n < 4; n += 1) enterNow(fetchOf("a", "o"));
    expect(admission.tryEnter(fetchOf("a", "o"))).toBeUndefined();
  });

  test("prefetches leave a quarter of each limit to demand, and are no more than theirs", () => {
    enterNow(fetchOf("a", "o"));
    enterNow(fetchOf("a", "o"));
    enterNow(fetchOf("a", "o", false));
    expect(admission.tryEnter(fetchOf("a", "x", false))).toBeUndefined();
    expect(admission.tryEnter(fetchOf("x", "o", false))).toBeUndefined();
    enterNow(fetchOf("x", "y", false));
    expect(admission.tryEnter(fetchOf("z", "z", false))).toBeUndefined();
    enterNow(fetchOf("a", "o"));
  });
});

describe("waiting", () => {
  test("whoever reads waits 30 s, then is told to come back; a prefetch 5 s", async () => {
    for (let n = 0; n < 4; n += 1) enterNow(fetchOf("a", "o"));
    const [reader, prefetch] = [waitFor(fetchOf("a", "o")), waitFor(fetchOf("a", "o", false))];
    clock.advance(5_000);
    await settle();
    expect([reader.state, prefetch.state]).toEqual(["waits", "too-busy"]);
    clock.advance(24_999);
    await settle();
    expect(reader.state).toBe("waits");
    clock.advance(1);
    await settle();
    expect(reader.state).toBe("too-busy");
    expect([clock.sleeping, admission.count.waiting]).toEqual([0, 0]);
  });

  test("demand goes before prefetch that came earlier, and the project that has least first", async () => {
    limits = { ...limits, total: 3, perProject: 3 };
    const places = [enterNow(fetchOf("a", "1")), enterNow(fetchOf("a", "2")), enterNow(fetchOf("b", "3"))];
    const prefetch = waitFor(fetchOf("c", "5", false));
    const [a, b, c] = [waitFor(fetchOf("a", "4")), waitFor(fetchOf("b", "4")), waitFor(fetchOf("c", "4"))];
    const states = () => [a, b, c, prefetch].map(({ state }) => state);
    const leave = async () => {
      places.shift()?.[Symbol.dispose]();
      await settle();
    };
    await leave();
    expect(states()).toEqual(["waits", "waits", "inside", "waits"]);
    await leave();
    // a has none by now, b one.
    expect(states()).toEqual(["inside", "waits", "inside", "waits"]);
    await leave();
    expect(states()).toEqual(["inside", "inside", "inside", "waits"]);
    expect(prefetch.state).toBe("waits");
  });

  test("one that gives up leaves no place taken", async () => {
    const place = enterNow(fetchOf("a", "o"));
    for (let n = 0; n < 3; n += 1) enterNow(fetchOf("a", "o"));
    const stop = new AbortController();
    const waiting = waitFor(fetchOf("a", "o"), stop.signal);
    stop.abort(new Error("enough"));
    place[Symbol.dispose]();
    await settle();
    expect(waiting.state).not.toBe("waits");
    waiting.place?.[Symbol.dispose]();
    expect(admission.count.waiting).toBe(0);
    enterNow(fetchOf("a", "o"));
  });

  test("a limit that is raised lets in who waits", async () => {
    for (let n = 0; n < 4; n += 1) enterNow(fetchOf("a", "o"));
    const waiting = waitFor(fetchOf("a", "o"));
    limits = { ...limits, perProject: 5, perOrigin: 5 };
    admission.review();
    await settle();
    expect(waiting.state).toBe("inside");
  });

  test("too many who wait: the next is told at once", () => {
    for (let n = 0; n < 4; n += 1) enterNow(fetchOf("a", "o"));
    for (let n = 0; n < 500; n += 1) waitFor(fetchOf("a", "o"));
    expect(() => admission.refuseCrowd({ project: "a" })).toThrow("too many fetches");
    expect(() => admission.refuseCrowd({ project: "b" })).not.toThrow();
  });
});

describe("a reader who finds no place", () => {
  test("has a prefetch put off that is in the way, the newest, and no more than needed", () => {
    limits = { ...limits, perOrigin: 1 };
    const prefetch = fetchOf("a", "o", false);
    const elsewhere = fetchOf("a", "x", false);
    enterNow(prefetch);
    enterNow(elsewhere);
    waitFor(fetchOf("b", "o"));
    expect([prefetch.put, elsewhere.put]).toEqual([1, 0]);
    waitFor(fetchOf("b", "o"));
    expect(prefetch.put).toBe(1);
  });

  test("never disturbs one that is read", () => {
    limits = { ...limits, perOrigin: 1 };
    const prefetch = { ...fetchOf("a", "o", false), idle: false };
    enterNow(prefetch);
    waitFor(fetchOf("b", "o"));
    expect(prefetch.put).toBe(0);
  });

  test("of a running prefetch makes it demand, so that another prefetch may run", () => {
    const prefetch = fetchOf("a", "1", false);
    enterNow(prefetch);
    enterNow(fetchOf("b", "2", false));
    expect(admission.tryEnter(fetchOf("c", "3", false))).toBeUndefined();
    prefetch.demanded = true;
    enterNow(fetchOf("c", "3", false));
  });
});

test("property: whatever comes and goes, no limit is exceeded, and when all have gone nothing is left", async () => {
  const step = fc.record({
    project: fc.constantFrom("a", "b", "c"),
    origin: fc.constantFrom("x", "y"),
    demanded: fc.boolean(),
    leave: fc.nat(5),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      admission = new FillAdmission(() => limits, clock);
      const seen: { fetch: Fetch; waiting: ReturnType<typeof waitFor> }[] = [];
      for (const { project, origin, demanded, leave } of steps) {
        const fetch = fetchOf(project, origin, demanded);
        seen.push({ fetch, waiting: waitFor(fetch) });
        await settle();
        const inside = seen.filter(({ waiting }) => waiting.state === "inside");
        expect(inside.length).toBeLessThanOrEqual(limits.total);
        for (const name of ["a", "b", "c"]) {
          expect(inside.filter((one) => one.fetch.project === name).length).toBeLessThanOrEqual(limits.perProject);
        }
        for (const name of ["x", "y"]) {
          expect(inside.filter((one) => one.fetch.origin === name).length).toBeLessThanOrEqual(limits.perOrigin);
        }
        expect(inside.filter((one) => !one.fetch.demanded).length).toBeLessThanOrEqual(limits.prefetchAtOnce);
        const gone = inside[leave];
        if (gone !== undefined) {
          gone.waiting.place?.[Symbol.dispose]();
          seen.splice(seen.indexOf(gone), 1);
        }
      }
      while (seen.length > 0) {
        const inside = seen.filter(({ waiting }) => waiting.state === "inside");
        expect(inside.length).toBeGreaterThan(0);
        for (const one of inside) {
          one.waiting.place?.[Symbol.dispose]();
          seen.splice(seen.indexOf(one), 1);
        }
        await settle();
      }
      expect(admission.count).toEqual({ inside: 0, waiting: 0 });
    }),
    { numRuns: 60 },
  );
});
