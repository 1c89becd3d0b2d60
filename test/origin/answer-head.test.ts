import type { IncomingHttpHeaders } from "node:http";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCisternError } from "../../src/domain/errors.ts";
import { readHead } from "../../src/origin/answer-head.ts";

const NOW = new Date("2026-01-02T00:00:00Z");
const RESUME = { offset: 10, validator: { kind: "etag", value: '"v"' } as const, acceptEncoded: true };

describe("the head of an answer", () => {
  test("to a resume may leave the validator out: the one that was sent holds", () => {
    const headers = { "content-range": "bytes 10-19/20", "content-length": "10" };
    expect(readHead(206, headers, RESUME, NOW)).toEqual({
      status: 206,
      offset: 10,
      total: 20,
      length: 10,
      framed: true,
      validator: RESUME.validator,
    });
  });

  test.each<[string, IncomingHttpHeaders]>([
    ["in other units", { "content-range": "items 10-19/20" }],
    ["without one", {}],
    ["of several ranges", { "content-type": "multipart/byteranges; boundary=x" }],
    ["beyond the whole", { "content-range": "bytes 10-20/20" }],
    ["from another byte", { "content-range": "bytes 11-19/20" }],
    ["of a size that is no number", { "content-range": "bytes 10-19/99999999999999999999" }],
    ["with more behind it", { "content-range": "bytes 10-19/20, bytes 0-1/20" }],
  ])("is broken with a range %s", (_, headers) => {
    expect(() => readHead(206, headers, RESUME, NOW)).toThrow(expect.objectContaining({ code: "origin-broken" }));
  });

  test("is either read or refused with a code of the origin, whatever stands in it", () => {
    const text = fc.oneof(
      fc.string({ maxLength: 30 }),
      fc.constantFrom(
        "chunked",
        "gzip",
        "identity",
        "10",
        "-1",
        "1e3",
        "bytes 10-19/20",
        "bytes */20",
        '"v"',
        'W/"v"',
        "0",
      ),
    );
    const value = fc.option(fc.oneof(text, fc.array(text, { maxLength: 2 })), { nil: undefined });
    const names = [
      "content-length",
      "content-range",
      "transfer-encoding",
      "content-encoding",
      "etag",
      "last-modified",
      "date",
      "retry-after",
    ];
    const headers = fc.record(Object.fromEntries(names.map((name) => [name, value])), { requiredKeys: [] });
    const status = fc.oneof(fc.constantFrom(200, 206), fc.integer({ min: 200, max: 999 }));
    fc.assert(
      fc.property(status, headers, fc.boolean(), (code, fields, resume) => {
        const request = resume ? RESUME : { offset: 0, validator: undefined, acceptEncoded: false };
        try {
          const head = readHead(code, fields as IncomingHttpHeaders, request, NOW);
          expect(head.offset === 0 || head.offset === request.offset).toBe(true);
          expect(head.total === undefined || Number.isSafeInteger(head.total)).toBe(true);
          if (head.length !== undefined && head.total !== undefined)
            expect(head.offset + head.length).toBeLessThanOrEqual(head.total);
        } catch (error) {
          if (!isCisternError(error)) throw error;
          expect(error.code).toMatch(/^origin-(broken|refused|failed|encoded|loop)$/);
          expect(error.retryAfter ?? 0).toBeGreaterThanOrEqual(0);
          expect(error.retryAfter ?? 0).toBeLessThanOrEqual(3600);
        }
      }),
      { numRuns: 2000 },
    );
  });
});
