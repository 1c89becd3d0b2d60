import { expect, test } from "vitest";
import { strongValidator } from "../../src/origin/strong-validator.ts";

const DATE = "Thu, 01 Jan 2026 12:00:00 GMT";
const OLD = "Thu, 01 Jan 2026 11:59:00 GMT";
const YOUNG = "Thu, 01 Jan 2026 11:59:01 GMT";

test.each([
  ["a strong tag", '"a-b"', OLD, DATE, { kind: "etag", value: '"a-b"' }],
  ["an empty tag", '""', undefined, DATE, { kind: "etag", value: '""' }],
  ["the date beside a weak tag", 'W/"a"', OLD, DATE, { kind: "last-modified", value: OLD }],
  ["the date beside a tag without quotes", "abc", OLD, DATE, { kind: "last-modified", value: OLD }],
  ["the date beside a tag that would break a header", '"a"b"', OLD, DATE, { kind: "last-modified", value: OLD }],
  ["no date younger than a minute", undefined, YOUNG, DATE, undefined],
  ["no date from the future", undefined, "Thu, 01 Jan 2026 13:00:00 GMT", DATE, undefined],
  ["no date without the origin's own clock", undefined, OLD, undefined, undefined],
  ["no date that is none", undefined, "yesterday", DATE, undefined],
  ["nothing", undefined, undefined, DATE, undefined],
])("a resume relies on %s (RFC 9110 §8.8)", (_, etag, lastModified, date, expected) => {
  expect(strongValidator(etag, lastModified, date)).toEqual(expected);
});
