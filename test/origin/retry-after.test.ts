import { expect, test } from "vitest";
import { retryAfter } from "../../src/origin/retry-after.ts";

const NOW = new Date("2026-01-01T00:00:00Z");

test.each([
  ["seconds", "17", undefined, 17],
  ["none at once", "0", undefined, 0],
  ["an hour at most", "999999999999", undefined, 3600],
  ["a date, by our clock when there is no other", "Thu, 01 Jan 2026 00:01:00 GMT", undefined, 60],
  ["a date, by the origin's clock", "Thu, 01 Jan 2026 05:01:00 GMT", "Thu, 01 Jan 2026 05:00:00 GMT", 60],
  ["a date that is over", "Wed, 31 Dec 2025 00:00:00 GMT", undefined, 0],
  ["a date far away", "Fri, 01 Jan 2100 00:00:00 GMT", undefined, 3600],
  ["no sense", "soon", undefined, undefined],
  ["a negative number, which is none", "-5x", undefined, undefined],
  ["nothing", undefined, undefined, undefined],
])("Retry-After means %s", (_, value, date, seconds) => {
  expect(retryAfter(value, date, NOW)).toBe(seconds);
});
