import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { CisternError } from "../../src/domain/errors.ts";
import type { CisternEvent } from "../../src/domain/events.ts";
import { logEvents } from "../../src/telemetry/log-events.ts";
import { createLogger } from "../../src/telemetry/logger.ts";

type Line = Readonly<Record<string, unknown>>;

function linesOf(level: string, events: readonly CisternEvent[]): readonly Line[] {
  const lines: Line[] = [];
  const log = logEvents(createLogger(level, { write: (line) => void lines.push(JSON.parse(line)) }));
  for (const event of events) log.emit(event);
  return lines;
}

const FAILED = { kind: "fill-failed", fill: "f1", at: 512 } as const;
const SERVED = {
  kind: "blob-served",
  blob: "images/1/image",
  token: "t1",
  address: "192.0.2.1",
  outcome: "follow",
  status: 206,
  bytes: 10,
  complete: true,
  milliseconds: 3,
} as const;

const EVENTS: readonly (readonly [level: string, event: CisternEvent])[] = [
  ["info", { kind: "fill-started", fill: "f1", url: "http://a.example/x", resumedAt: 0 }],
  ["warn", { kind: "fill-source-failed", fill: "f1", url: "http://a.example/x", at: 7, code: "origin-broken" }],
  ["info", { kind: "fill-passed", fill: "f1", bytes: 9, milliseconds: 4, sha256: "ab", kept: true }],
  ["warn", { ...FAILED, code: "digest-mismatch" }],
  ["warn", { ...FAILED, code: "origin-timeout" }],
  ["error", { ...FAILED, code: "store-unavailable" }],
  ["error", { ...FAILED, code: "internal" }],
  ["info", { ...FAILED, code: "shutting-down" }],
  ["warn", { kind: "content-changed", url: "http://a.example/x", recorded: "ab", found: "cd" }],
  ["info", { kind: "content-admitted", sha256: "ab", bytes: 9 }],
  ["info", { kind: "content-removed", sha256: "ab", reason: "evicted" }],
  ["info", SERVED],
  ["warn", { ...SERVED, status: 502 }],
  ["warn", { kind: "reader-cut", blob: "images/1/image", address: "192.0.2.1", reason: "stalled" }],
  ["error", { kind: "degraded", part: "catalog", cause: new Error("gone") }],
  ["info", { kind: "tls-reloaded", notAfter: "2027-01-01T00:00:00.000Z" }],
  ["error", { kind: "tls-reload-failed", cause: new Error("no pair") }],
  ["error", { kind: "job-failed", job: "evict", cause: new Error("gone") }],
];

describe("an event", () => {
  test.each(EVENTS)("is one line of level %s: %j", (level, event) => {
    const { kind, ...fields } = event;
    const expected = Object.fromEntries(Object.entries(fields).filter(([name]) => name !== "cause"));
    const lines = linesOf("trace", [event]);
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatchObject({ level, event: kind, ...expected, msg: expect.stringMatching(/^[a-z]/) });
    expect(String(lines[0]?.time)).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
  });

  test("below the level of the logger is no line", () => {
    const lines = linesOf(
      "error",
      EVENTS.map(([, event]) => event),
    );
    expect(new Set(lines.map((line) => line.level))).toEqual(new Set(["error"]));
    expect(lines).toHaveLength(5);
  });

  test("brings its cause with name, message, code, stack and the causes below", () => {
    const root = Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
    const cause = new CisternError("origin-unreachable", "the origin cannot be reached", {
      cause: new AggregateError([root], "every address failed"),
      origin: "a.example",
      originStatus: 503,
    });
    const [line] = linesOf("info", [{ ...FAILED, code: "origin-unreachable", cause }]);
    expect(line?.err).toMatchObject({
      name: "CisternError",
      message: "the origin cannot be reached",
      code: "origin-unreachable",
      origin: "a.example",
      originStatus: 503,
      stack: expect.stringContaining("log-events.test.ts"),
      cause: { name: "AggregateError", errors: [{ message: "connect ECONNREFUSED", code: "ECONNREFUSED" }] },
    });
    expect(line).not.toHaveProperty("cause");
  });

  test("shows no secret of a URL, wherever in the cause it stands", () => {
    const url = "https://user:hunter2@a.example/x?X-Amz-Signature=hunter2&size=1";
    const cause = new Error(`GET ${url}: failed`, { cause: `redirected to <${url}>` });
    const events: readonly CisternEvent[] = [
      { ...FAILED, code: "origin-broken", cause },
      { kind: "fill-started", fill: "f1", url, resumedAt: 0 },
      { kind: "content-changed", url, recorded: "a", found: "b" },
    ];
    const text = JSON.stringify(linesOf("info", events));
    expect(text).not.toContain("hunter2");
    expect(text).toContain("a.example/x");
    expect(text).toContain("size=1");
  });

  test("stays one line whatever a stranger puts into its texts", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), fc.anything(), (text, cause) => {
        const written: string[] = [];
        const log = logEvents(createLogger("info", { write: (line) => void written.push(line) }));
        log.emit({ kind: "fill-source-failed", fill: text, url: text, at: 0, code: "internal", cause });
        expect(written).toHaveLength(1);
        expect(written[0]?.indexOf("\n")).toBe((written[0]?.length ?? 0) - 1);
        expect(JSON.parse(written[0] ?? "")).toMatchObject({ event: "fill-source-failed", fill: text });
      }),
    );
  });
});

test("a cause that cannot be made a text is told all the same", () => {
  const [line] = linesOf("info", [{ kind: "degraded", part: "store", cause: { toString: 0, valueOf: 0 } }]);
  expect(line?.err).toMatchObject({ name: "NotAnError", message: expect.stringContaining("toString") });
});

test("a chain of causes that goes round ends", () => {
  const first = new Error("first");
  const second = new Error("second", { cause: first });
  first.cause = second;
  const [line] = linesOf("info", [{ kind: "degraded", part: "store", cause: first }]);
  expect(line?.err).toMatchObject({ message: "first", cause: { message: "second" } });
});
