import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { DAYS, type FetchWindow, nextStart, openingAt } from "../../src/domain/fetch-window.ts";
import { isTimeZone, zonedTime } from "../../src/domain/zoned-time.ts";

const EVERY_DAY = DAYS;

function window(from: string, to: string, timeZone: string, days = EVERY_DAY as FetchWindow["days"]): FetchWindow {
  return { from, to, days, timeZone };
}

function opening(of: FetchWindow, at: string): [string, string] | undefined {
  const found = openingAt(of, new Date(at));
  return found === undefined ? undefined : [found.opens.toISOString(), found.closes.toISOString()];
}

const start = (of: FetchWindow, at: string) => nextStart(of, new Date(at))?.toISOString();

describe("a window on an ordinary day", () => {
  const night = window("22:00", "06:00", "Europe/Berlin");

  test("inside it, the opening that one is in, also after midnight", () => {
    expect(opening(night, "2026-01-15T22:30:00Z")).toEqual(["2026-01-15T21:00:00.000Z", "2026-01-16T05:00:00.000Z"]);
    expect(opening(night, "2026-01-16T03:00:00Z")).toEqual(["2026-01-15T21:00:00.000Z", "2026-01-16T05:00:00.000Z"]);
  });

  test("outside, the next one; it is half open", () => {
    expect(start(night, "2026-01-16T05:00:00Z")).toBe("2026-01-16T21:00:00.000Z");
    expect(start(night, "2026-01-16T20:59:59.999Z")).toBe("2026-01-16T21:00:00.000Z");
    expect(start(night, "2026-01-16T21:00:00Z")).toBe("2026-01-16T21:00:00.000Z");
    expect(start(night, "2026-01-17T04:59:59Z")).toBe("2026-01-17T04:59:59.000Z");
  });

  test("days are those on which it opens: Saturday morning still belongs to Friday's", () => {
    const friday = window("22:00", "06:00", "Europe/Berlin", ["fri"]);
    // 16 January 2026 is a Friday.
    expect(start(friday, "2026-01-17T03:00:00Z")).toBe("2026-01-17T03:00:00.000Z");
    expect(start(friday, "2026-01-16T03:00:00Z")).toBe("2026-01-16T21:00:00.000Z");
    expect(start(friday, "2026-01-17T05:00:00Z")).toBe("2026-01-23T21:00:00.000Z");
  });

  test("from and to alike: the whole day; no day at all: never", () => {
    expect(start(window("00:00", "00:00", "UTC"), "2026-05-05T12:34:56Z")).toBe("2026-05-05T12:34:56.000Z");
    expect(start(window("00:00", "00:00", "UTC", []), "2026-05-05T12:34:56Z")).toBeUndefined();
  });

  test("a zone of half an hour, and one beyond the date line", () => {
    expect(start(window("00:00", "01:00", "Asia/Kolkata"), "2026-06-01T12:00:00Z")).toBe("2026-06-01T18:30:00.000Z");
    expect(start(window("00:00", "01:00", "Pacific/Kiritimati", ["tue"]), "2026-06-01T09:00:00Z")).toBe(
      "2026-06-01T10:00:00.000Z",
    );
  });
});

describe("a window where the clock is put forward (Berlin, 29 March 2026, 02:00 to 03:00)", () => {
  test("the night is an hour shorter", () => {
    expect(opening(window("22:00", "06:00", "Europe/Berlin"), "2026-03-28T23:00:00Z")).toEqual([
      "2026-03-28T21:00:00.000Z",
      "2026-03-29T04:00:00.000Z",
    ]);
  });

  test("one that opens in the hour that is skipped opens an hour later", () => {
    expect(opening(window("02:30", "05:00", "Europe/Berlin"), "2026-03-29T00:30:00Z")).toEqual([
      "2026-03-29T01:30:00.000Z",
      "2026-03-29T03:00:00.000Z",
    ]);
  });

  test("one that lies in the skipped hour alone comes as much later, and is as long", () => {
    expect(opening(window("02:15", "02:45", "Europe/Berlin"), "2026-03-29T00:00:00Z")).toEqual([
      "2026-03-29T01:15:00.000Z",
      "2026-03-29T01:45:00.000Z",
    ]);
  });
});

describe("a window where the clock is put back (Berlin, 25 October 2026, 03:00 to 02:00)", () => {
  test("the night is an hour longer", () => {
    expect(opening(window("22:00", "06:00", "Europe/Berlin"), "2026-10-24T23:00:00Z")).toEqual([
      "2026-10-24T20:00:00.000Z",
      "2026-10-25T05:00:00.000Z",
    ]);
  });

  test("it opens at the first of two, and closes at the second", () => {
    expect(opening(window("02:15", "02:45", "Europe/Berlin"), "2026-10-24T22:00:00Z")).toEqual([
      "2026-10-25T00:15:00.000Z",
      "2026-10-25T01:45:00.000Z",
    ]);
  });

  test("a half-hour change (Lord Howe, 5 April 2026) is half an hour", () => {
    const { opens, closes } = openingAt(
      window("00:00", "06:00", "Australia/Lord_Howe"),
      new Date("2026-04-04T14:00:00Z"),
    ) ?? { opens: new Date(0), closes: new Date(0) };
    expect(closes.getTime() - opens.getTime()).toBe(6.5 * 3_600_000);
  });
});

test("whatever the window, zone and time: it starts now or at an opening, and shows `from` on the clock then", () => {
  const clock = fc
    .tuple(fc.nat(23), fc.nat(59))
    .map(([hour, minute]) => `${String(hour).padStart(2, "0")}:${String(minute).padStart(2, "0")}`);
  const zone = fc.constantFrom("UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe");
  const days = fc.subarray([...DAYS], { minLength: 1 });
  const at = fc.date({ min: new Date("2026-01-01"), max: new Date("2027-12-31"), noInvalidDate: true });
  fc.assert(
    fc.property(fc.record({ from: clock, to: clock, days, timeZone: zone }), at, (of, now) => {
      const found = openingAt(of, now);
      expect(found).toBeDefined();
      if (found === undefined) return;
      expect(found.closes > now && found.closes > found.opens).toBe(true);
      expect(found.closes.getTime() - found.opens.getTime()).toBeLessThanOrEqual(25 * 3_600_000);
      expect(nextStart(of, now)?.getTime()).toBe(Math.max(found.opens.getTime(), now.getTime()));
      const shown = zonedTime(of.timeZone, found.opens);
      const minutes = shown.hour * 60 + shown.minute;
      const [hours = 0, rest = 0] = of.from.split(":").map(Number);
      // Later only where the clock is put forward over it, by an hour at most.
      const late = (minutes - (hours * 60 + rest) + 1440) % 1440;
      expect([0, 30, 60]).toContain(late);
    }),
    { numRuns: 500 },
  );
});

test("a time zone is an IANA name", () => {
  expect(["Europe/Berlin", "UTC", "America/Argentina/Buenos_Aires"].every(isTimeZone)).toBe(true);
  expect(["", "Nowhere/Here", "+02:00", "Europe/Berlin ", "x".repeat(65)].some(isTimeZone)).toBe(false);
});
