import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { RecentBytes } from "../../src/cache/recent-bytes.ts";

describe("the newest bytes of a fill", () => {
  test("any slice of what is kept is what was pushed, whatever was dropped before", () => {
    const chunk = fc.uint8Array({ minLength: 1, maxLength: 40 });
    fc.assert(
      fc.property(
        fc.nat(1000),
        fc.array(chunk, { minLength: 1, maxLength: 300 }),
        fc.nat(),
        fc.nat(),
        (base, chunks, a, b) => {
          const recent = new RecentBytes(base);
          for (const bytes of chunks) recent.push(bytes);
          const whole = Buffer.concat(chunks);
          expect(recent.end).toBe(base + whole.length);
          recent.dropBefore(base + (a % (whole.length + 1)));
          expect(recent.start).toBeLessThanOrEqual(base + (a % (whole.length + 1)));
          const kept = recent.end - recent.start;
          if (kept === 0) return;
          const from = recent.start + (b % kept);
          const max = 1 + (a % 97);
          const slice = Buffer.concat(recent.slice(from, max));
          expect(slice.equals(whole.subarray(from - base, Math.min(from - base + max, whole.length)))).toBe(true);
        },
      ),
    );
  });

  test("a chunk that holds a wanted byte is never dropped", () => {
    const recent = new RecentBytes(0);
    recent.push(new Uint8Array(10));
    recent.push(new Uint8Array(10));
    recent.dropBefore(9);
    expect(recent.start).toBe(0);
    recent.dropBefore(10);
    expect(recent.start).toBe(10);
  });
});
