import { describe, expect, test } from "vitest";
import { SourceHealth } from "../../src/cache/source-health.ts";
import { CisternError } from "../../src/domain/errors.ts";
import type { ExternalLocation } from "../../src/domain/location.ts";
import { ManualClock } from "../support/manual-clock.ts";

const A: ExternalLocation = { kind: "external", url: "http://mirror.example/a", setBy: "admin" };
const B: ExternalLocation = { kind: "external", url: "http://mirror.example/b", setBy: "admin" };

function setup() {
  const clock = new ManualClock();
  return { clock, health: new SourceHealth(clock) };
}

describe("back-off", () => {
  test("an origin that cannot be reached holds back all its locations, until the pause is over", () => {
    const { clock, health } = setup();
    health.failed("x", A, new CisternError("origin-unreachable", "gone"));
    expect(health.blocked("x", A)?.code).toBe("origin-backing-off");
    expect(health.blocked("y", B)?.code).toBe("origin-backing-off");
    clock.advance(2_001);
    expect(health.blocked("y", B)).toBeUndefined();
  });

  test("one wrong checksum does not stop a mirror for everybody, and keeps its code", () => {
    const { health } = setup();
    health.failed("x", A, new CisternError("digest-mismatch", "wrong"));
    expect(health.blocked("x", A)?.code).toBe("digest-mismatch");
    expect(health.blocked("x", B)).toBeUndefined();
    expect(health.blocked("other record, same URL", A)).toBeUndefined();
  });

  test("the pause grows with each failure up to five minutes, jittered over its whole length", () => {
    const { clock, health } = setup();
    const pauses: number[] = [];
    for (let count = 0; count < 12; count += 1) {
      clock.jitter = 1;
      health.failed("x", A, new CisternError("origin-failed", "500"));
      pauses.push(health.blocked("x", A)?.retryAfter ?? 0);
    }
    expect(pauses.slice(0, 4)).toEqual([2, 4, 8, 16]);
    expect(pauses.at(-1)).toBe(300);
    clock.jitter = 0;
    health.failed("x", A, new CisternError("origin-failed", "500"));
    expect(health.blocked("x", A)?.retryAfter).toBe(1);
  });

  test("Retry-After is obeyed when it is longer than the pause", () => {
    const { health } = setup();
    health.failed("x", A, new CisternError("origin-failed", "429", { retryAfter: 120 }));
    expect(health.blocked("x", A)?.retryAfter).toBe(120);
  });

  test("a location that delivers is forgiven", () => {
    const { health } = setup();
    health.failed("x", A, new CisternError("origin-failed", "500"));
    health.passed("x", A);
    expect(health.blocked("x", A)).toBeUndefined();
  });
});
