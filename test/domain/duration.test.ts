import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../src/domain/duration.ts";

test.each([
  ["PT0S", 0],
  ["PT30S", 30_000],
  ["PT0.25S", 250],
  ["PT1H30M", 5_400_000],
  ["P1DT1S", 86_401_000],
  ["P2W", 1_209_600_000],
  ["pt5m", 300_000],
])("%s is %d ms", (text, milliseconds) => {
  expect(parseDuration(text)).toBe(milliseconds);
});

test.each(["", "P", "PT", "P1DT", "30", "30s", "P1M", "P1Y", "PT-1S", "PT1S1M", "P1W1D", "T1S"])(
  "%j is no duration of a fixed length",
  (text) => {
    expect(parseDuration(text)).toBeUndefined();
  },
);

test.each(["P400D", "P1DT1H", "PT23H"])("%s is shown so", (text) => {
  expect(formatDuration(parseDuration(text) ?? 0)).toBe(text);
});

test("what is shown of a duration is that duration", () => {
  fc.assert(
    fc.property(fc.nat({ max: 7 * 86_400_000 }), (milliseconds) => {
      expect(parseDuration(formatDuration(milliseconds))).toBe(milliseconds);
    }),
  );
});
