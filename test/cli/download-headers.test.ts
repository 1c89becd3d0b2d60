import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { lengthOf, rangeStartOf, sha256Of } from "../../src/cli/download-headers.ts";

const DIGEST = createHash("sha256").update("x").digest();

describe("the size of the whole", () => {
  test.each([
    [{ "content-length": "7" }, 7],
    [{ "content-length": "3", "content-range": "bytes 4-6/7" }, 7],
    [{ "content-range": "bytes */7" }, 7],
    [{ "content-length": "3", "content-range": "bytes 4-6/*" }, undefined],
    [{ "content-length": "x" }, undefined],
    [{}, undefined],
  ])("of %j is %j", (headers, size) => {
    expect(lengthOf(headers)).toBe(size);
  });
});

test("the first byte of a part is what Content-Range says", () => {
  expect(rangeStartOf({ "content-range": "bytes 4-6/7" })).toBe(4);
  expect(rangeStartOf({ "content-range": "bytes */7" })).toBeUndefined();
  expect(rangeStartOf({})).toBeUndefined();
});

describe("the digest that headers promise", () => {
  test.each([
    [{ "repr-digest": `sha-256=:${DIGEST.toString("base64")}:` }],
    [{ "repr-digest": `md5=:AAAA:, sha-256=:${DIGEST.toString("base64")}:` }],
    [{ etag: `"${DIGEST.toString("hex")}"` }],
    [{ etag: `"sha256:${DIGEST.toString("hex")}"` }],
  ])("of %j is known", (headers) => {
    expect(sha256Of(headers)).toBe(DIGEST.toString("hex"));
  });

  test.each([
    [{}],
    [{ etag: '"abc"' }],
    [{ etag: `W/"${DIGEST.toString("hex")}"` }],
    [{ "repr-digest": "sha-256=:x:" }],
  ])("of %j is unknown", (headers) => {
    expect(sha256Of(headers)).toBeUndefined();
  });
});
