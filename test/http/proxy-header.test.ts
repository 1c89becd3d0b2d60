import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parseProxyHeader } from "../../src/http/proxy-header.ts";
import { proxyBytes } from "./proxy-bytes.ts";

describe("a PROXY header of version 2", () => {
  test.each([
    ["203.0.113.7", "203.0.113.7"],
    ["2001:db8::7", "2001:db8::7"],
    ["fe80:0:0:0:1:2:3:4", "fe80::1:2:3:4"],
  ])("states the client %s", (client, stated) => {
    const bytes = proxyBytes(client);
    expect(parseProxyHeader(bytes)).toEqual({ kind: "header", bytes: bytes.length, client: stated });
  });

  test("of an IPv4 client on an IPv6 socket states the IPv4 address", () => {
    const bytes = proxyBytes("::1");
    Buffer.from("00000000000000000000ffffc0000201", "hex").copy(bytes, 16);
    expect(parseProxyHeader(bytes)).toMatchObject({ client: "192.0.2.1" });
  });

  test("has TLVs, which are skipped", () => {
    const bytes = proxyBytes("192.0.2.1", { tlvs: Buffer.from([0x05, 0, 2, 1, 2]) });
    expect(parseProxyHeader(Buffer.concat([bytes, Buffer.from("GET / HTTP/1.1")]))).toEqual({
      kind: "header",
      bytes: bytes.length,
      client: "192.0.2.1",
    });
  });

  test.each([
    ["of a health check (LOCAL)", { command: 0 }],
    ["of an unknown family", { family: 0x00 }],
    ["of a UNIX socket", { family: 0x31 }],
    ["of UDP", { family: 0x12 }],
  ])("%s states no client", (_name, options) => {
    expect(parseProxyHeader(proxyBytes("192.0.2.1", options))).toMatchObject({ kind: "header", client: undefined });
  });

  test.each([
    ["of another version", proxyBytes("192.0.2.1", { version: 1 })],
    ["of an unknown command", proxyBytes("192.0.2.1", { command: 2 })],
    ["that is longer than 4 KiB", proxyBytes("192.0.2.1", { tlvs: Buffer.alloc(4096) })],
    ["that is too short for its addresses", proxyBytes("192.0.2.1", { family: 0x21 })],
  ])("%s is malformed", (_name, bytes) => {
    expect(parseProxyHeader(bytes)).toEqual({ kind: "malformed" });
  });

  test("is partial at every place where it is cut", () => {
    const bytes = proxyBytes("2001:db8::7", { tlvs: Buffer.alloc(20) });
    for (let length = 0; length < bytes.length; length += 1) {
      expect(parseProxyHeader(bytes.subarray(0, length))).toEqual({ kind: "partial" });
    }
  });

  test.each(["GET / HTTP/1.1\r\n", "\x16\x03\x01\x02\x00", "\r\nGET / HTTP/1.1", "PROXY TCP4 192.0.2.1"])(
    "is not what begins with %j",
    (text) => {
      expect(parseProxyHeader(Buffer.from(text, "latin1"))).toEqual({ kind: "none" });
    },
  );

  test("is judged without an exception, whatever follows its signature", () => {
    const signature = proxyBytes("192.0.2.1").subarray(0, 12);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 100 }), (rest) => {
        const bytes = Buffer.concat([signature, rest]);
        const parsed = parseProxyHeader(bytes);
        expect(parsed.kind).not.toBe("none");
        if (parsed.kind === "header") expect(parsed.bytes).toBeLessThanOrEqual(bytes.length);
      }),
    );
  });
});
