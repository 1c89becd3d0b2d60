import { zonedTime } from "./zoned-time.ts";

export const DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] as const;
export type Day = (typeof DAYS)[number];

/** A time of the day, again and again, in which something may be done. */
export interface FetchWindow {
  /** `HH:MM`, 00:00 to 23:59: when it opens. */
  readonly from: string;
  /** `HH:MM`: when it closes. Not after `from`: on the day after; equal: a whole day later. */
  readonly to: string;
  /** Days on which it opens; it may close on the day after. */
  readonly days: readonly Day[];
  /** IANA name, `Europe/Berlin`. */
  readonly timeZone: string;
}

/** Half open: from `opens` on, before `closes`. */
export interface Opening {
  readonly opens: Date;
  readonly closes: Date;
}

const DAY_MS = 86_400_000;
/** No window is farther away: a week, and a day that a clock change or a skipped date takes. */
const AHEAD_DAYS = 9;

/**
 * The opening that `at` lies in, else the next one. Where the clock is put forward over `from` or
 * `to`, that time comes as much later; where it is put back over them, the window opens at the
 * first of the two and closes at the second. undefined: it never opens within nine days.
 */
export function openingAt(window: FetchWindow, at: Date): Opening | undefined {
  const local = zonedTime(window.timeZone, at);
  const today = Date.UTC(local.year, local.month - 1, local.day);
  for (let offset = -2; offset <= AHEAD_DAYS; offset += 1) {
    const opening = openingOn(window, new Date(today + offset * DAY_MS));
    if (opening !== undefined && opening.closes > at) return opening;
  }
  return undefined;
}

/** When something that may be done in the window only may be begun: now, or later; undefined: never. */
export function nextStart(window: FetchWindow, at: Date): Date | undefined {
  const opening = openingAt(window, at);
  return opening === undefined || opening.opens > at ? opening?.opens : at;
}

/** The window's opening on a local date (midnight, as if it were UTC); undefined: not on that day. */
function openingOn({ from, to, days, timeZone }: FetchWindow, date: Date): Opening | undefined {
  const day = DAYS[date.getUTCDay()];
  if (day === undefined || !days.includes(day)) return undefined;
  const [begin, end] = [minutesOf(from), minutesOf(to)];
  const opens = instantOf(timeZone, date.getTime() + begin * 60_000, "first");
  const closes = instantOf(timeZone, date.getTime() + end * 60_000 + (end <= begin ? DAY_MS : 0), "second");
  // A window that lies in the hour that a clock change skips, or ends there.
  return closes > opens ? { opens, closes } : undefined;
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(":").map(Number);
  return hours * 60 + minutes;
}

/** The instant at which clocks show this local time, given as if it were UTC. */
function instantOf(timeZone: string, local: number, which: "first" | "second"): Date {
  const before = local - offsetAt(timeZone, local - DAY_MS);
  const after = local - offsetAt(timeZone, local + DAY_MS);
  const right = [before, after].filter((instant) => instant + offsetAt(timeZone, instant) === local);
  // Never shown: the offset from before the change makes it as much later as the clock was put forward.
  if (right.length === 0) return new Date(before);
  return new Date(which === "first" ? Math.min(...right) : Math.max(...right));
}

/** Milliseconds that local time is ahead of UTC. */
function offsetAt(timeZone: string, instant: number): number {
  const { year, month, day, hour, minute, second } = zonedTime(timeZone, new Date(instant));
  const whole = Math.floor(instant / 1000) * 1000;
  return Date.UTC(year, month - 1, day, hour, minute, second) - whole;
}
