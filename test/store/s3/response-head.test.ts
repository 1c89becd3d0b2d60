import { describe, expect, test } from "vitest";
import { parseResponseHead } from "../../../src/store/s3/response-head.ts";

describe("the head of an answer", () => {
  test("tells status, length, version and range", () => {
    const head = parseResponseHead(
      'HTTP/1.1 206 Partial Content\r\nContent-Length: 5\r\nETAG: "abc-2"\r\ncontent-range: bytes 5-9/10\r\nX: a:b',
    );
    expect(head).toEqual({
      status: 206,
      length: 5,
      etag: '"abc-2"',
      range: { start: 5, end: 10, size: 10 },
      s3Code: "",
      keepsAlive: true,
    });
  });

  test.each([
    ["HTTP/1.1 200 OK\r\nConnection: close", false],
    ["HTTP/1.1 200 OK\r\nConnection: Keep-Alive", true],
    ["HTTP/1.0 200 OK", false],
    ["HTTP/1.1 200", true],
  ])("%j: another request may follow: %s", (text, keepsAlive) => {
    expect(parseResponseHead(text).keepsAlive).toBe(keepsAlive);
  });

  test("a body in chunks has no length that counts", () => {
    expect(
      parseResponseHead("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 5").length,
    ).toBeUndefined();
  });

  test.each([
    "HTTP/2 200",
    "ICY 200 OK",
    "HTTP/1.1 20",
    "HTTP/1.1 200 OK\r\nno colon",
    "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5",
    "HTTP/1.1 200 OK\r\nContent-Length: -5",
    "HTTP/1.1 206 OK\r\nContent-Range: bytes */5",
  ])("%j is refused", (text) => {
    expect(() => parseResponseHead(text)).toThrow("the answer");
  });
});
