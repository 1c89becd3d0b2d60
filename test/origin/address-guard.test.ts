import { networkInterfaces } from "node:os";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCisternError } from "../../src/domain/errors.ts";
import { parseLocationUrl } from "../../src/domain/location.ts";
import { AddressGuard } from "../../src/origin/address-guard.ts";
import { LocationGuard } from "../../src/origin/location-guard.ts";

const closed = new AddressGuard([], () => []);

describe("the address guard (I8)", () => {
  test.each([
    ["loopback", "127.0.0.1"],
    ["the end of loopback", "127.255.255.254"],
    ["this host", "0.0.0.0"],
    ["private 10", "10.1.2.3"],
    ["private 172", "172.31.255.255"],
    ["private 192", "192.168.0.1"],
    ["carrier-grade NAT", "100.64.0.1"],
    ["a cloud's metadata", "169.254.169.254"],
    ["documentation", "203.0.113.9"],
    ["benchmarking", "198.18.0.1"],
    ["6to4 relays", "192.88.99.1"],
    ["multicast", "224.0.0.1"],
    ["reserved", "250.0.0.1"],
    ["broadcast", "255.255.255.255"],
    ["IPv6 loopback", "::1"],
    ["unspecified", "::"],
    ["IPv4-mapped loopback", "::ffff:127.0.0.1"],
    ["IPv4-mapped private in hexadecimal", "::ffff:a00:1"],
    ["IPv4-compatible loopback", "::127.0.0.1"],
    ["IPv4-translated loopback", "::ffff:0:7f00:1"],
    ["NAT64 to loopback", "64:ff9b::7f00:1"],
    ["local NAT64", "64:ff9b:1::7f00:1"],
    ["6to4 of loopback", "2002:7f00:1::"],
    ["Teredo", "2001:0:4136:e378:8000:63bf:3fff:fdd2"],
    ["unique local", "fd00::1"],
    ["link-local", "fe80::1"],
    ["site-local", "fec0::1"],
    ["IPv6 documentation", "2001:db8::1"],
    ["discard", "100::1"],
    ["IPv6 multicast", "ff02::1"],
    ["space that nobody was given", "4000::1"],
    ["an address with a zone", "fe80::1%lo"],
    ["a public address with a zone", "2606:4700::1%eth0"],
    ["no address", "localhost"],
  ])("refuses %s (%s)", (_, address) => {
    expect(closed.refusal(address, 80)?.code).toBe("address-not-allowed");
  });

  test.each(["8.8.8.8", "1.1.1.1", "100.63.255.255", "172.32.0.1", "2606:4700:4700::1111", "::ffff:8.8.8.8"])(
    "lets %s pass",
    (address) => {
      expect(closed.refusal(address, 80)).toBeUndefined();
    },
  );

  test("lets what the operator has opened pass, in each notation, and nothing beside it", () => {
    const guard = new AddressGuard(["10.2.0.0/16", "fd00:1::/32"], () => []);
    expect(guard.refusal("10.2.3.4", 80)).toBeUndefined();
    expect(guard.refusal("::ffff:10.2.3.4", 80)).toBeUndefined();
    expect(guard.refusal("fd00:1::9", 80)).toBeUndefined();
    expect(guard.refusal("10.3.0.1", 80)?.code).toBe("address-not-allowed");
    expect(guard.refusal("fd00:2::9", 80)?.code).toBe("address-not-allowed");
    // The network of a translator is not the address behind it.
    expect(guard.refusal("64:ff9b::a02:304", 80)?.code).toBe("address-not-allowed");
  });

  test("never lets Cistern's own listeners pass, opened or not", () => {
    const own = [
      { host: "127.0.0.1", port: 8080 },
      { host: "::", port: 9090 },
      { host: "cistern.example", port: 443 },
    ];
    const guard = new AddressGuard(["127.0.0.0/8", "::1/128", "0.0.0.0/8", "10.0.0.0/8"], () => own);
    expect(guard.refusal("127.0.0.1", 8080)?.code).toBe("origin-loop");
    expect(guard.refusal("::ffff:127.0.0.1", 8080)?.code).toBe("origin-loop");
    expect(guard.refusal("127.0.0.2", 8080)).toBeUndefined();
    expect(guard.refusal("127.0.0.1", 8081)).toBeUndefined();
    for (const address of ["127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"]) {
      expect(guard.refusal(address, 9090)?.code, address).toBe("origin-loop");
    }
    for (const { address } of Object.values(networkInterfaces()).flatMap((list) => list ?? [])) {
      if (!address.includes("%")) expect(guard.refusal(address, 9090)?.code, address).toBe("origin-loop");
    }
    // A listener's name is a name of this machine.
    expect(guard.refusal("127.0.0.1", 443)?.code).toBe("origin-loop");
    expect(guard.refusal("10.255.255.254", 443)).toBeUndefined();
    expect(guard.isOwnName("CISTERN.example.", 443)).toBe(true);
    expect(guard.isOwnName("cistern.example", 444)).toBe(false);
  });
});

/** Every way in which a URL can write the same IPv4 address. */
function notations([a, b, c, d]: readonly [number, number, number, number]): readonly string[] {
  const number = ((a * 256 + b) * 256 + c) * 256 + d;
  const hex = (value: number) => `0x${value.toString(16)}`;
  const octal = (value: number) => `0${value.toString(8)}`;
  const dotted = `${a}.${b}.${c}.${d}`;
  const high = (a * 256 + b).toString(16);
  const low = (c * 256 + d).toString(16);
  return [
    dotted,
    `${dotted}.`,
    [a, b, c, d].map(hex).join("."),
    [a, b, c, d].map(octal).join("."),
    [hex(a), octal(b), c, d].join("."),
    String(number),
    hex(number),
    octal(number),
    `${a}.${(b * 256 + c) * 256 + d}`,
    `${a}.${b}.${c * 256 + d}`,
    `${hex(a)}.${octal((b * 256 + c) * 256 + d)}`,
    [...dotted].map((letter) => `%${letter.charCodeAt(0).toString(16)}`).join(""),
    // Full-width digits and the ideographic full stop.
    dotted.replace(/\d/g, (digit) => String.fromCodePoint(0xff10 + Number(digit))).replaceAll(".", "。"),
    `[::ffff:${dotted}]`,
    `[::FFFF:${high}:${low}]`,
    `[0:0:0:0:0:ffff:${high}:${low}]`,
    `[::${dotted}]`,
    `[::ffff:0:${high}:${low}]`,
    `[64:ff9b::${dotted}]`,
    `[64:ff9b:1::${high}:${low}]`,
    `[2002:${high}:${low}::]`,
  ];
}

const octet = fc.integer({ min: 0, max: 255 });
const insideAddress = fc.oneof(
  fc.tuple(fc.constant(127), octet, octet, octet),
  fc.tuple(fc.constant(10), octet, octet, octet),
  fc.tuple(fc.constant(172), fc.integer({ min: 16, max: 31 }), octet, octet),
  fc.tuple(fc.constant(192), fc.constant(168), octet, octet),
  fc.tuple(fc.constant(169), fc.constant(254), octet, octet),
  fc.tuple(fc.constant(100), fc.integer({ min: 64, max: 127 }), octet, octet),
  fc.tuple(fc.constant(0), octet, octet, octet),
  fc.tuple(fc.integer({ min: 224, max: 255 }), octet, octet, octet),
);

describe("the location guard (I8)", () => {
  const guard = new LocationGuard(closed, ["*.example.org", "exact.test:8443", "10.0.0.1"]);
  const verdict = (url: string, setBy: "admin" | "member" = "admin") => {
    try {
      guard.check(new URL(url), setBy);
      return "passes";
    } catch (error) {
      return isCisternError(error) ? error.code : error;
    }
  };

  test("refuses an address inside, however a URL writes it", () => {
    fc.assert(
      fc.property(insideAddress, fc.constantFrom("", ":80", ":65535"), (address, port) => {
        for (const notation of notations(address)) {
          // As a record would hold it: a notation that is no URL is refused there already.
          let url: string;
          try {
            url = parseLocationUrl(`http://${notation}${port}/x`, "url");
          } catch (error) {
            if (isCisternError(error, "invalid-input")) continue;
            throw error;
          }
          expect(verdict(url), notation).toBe("address-not-allowed");
        }
      }),
      { numRuns: 300 },
    );
  });

  test("asks nothing but the address of an admin, and the list of a member first", () => {
    expect(verdict("https://anywhere.test:1234/")).toBe("passes");
    expect(verdict("https://8.8.8.8/")).toBe("passes");
    expect(verdict("https://anywhere.test/", "member")).toBe("host-not-allowed");
    expect(verdict("http://8.8.8.8/", "member")).toBe("host-not-allowed");
    expect(verdict("http://127.0.0.1/", "member")).toBe("host-not-allowed");
    expect(verdict("http://10.0.0.1/", "member")).toBe("address-not-allowed");
    expect(verdict("https://a.b.example.org/", "member")).toBe("passes");
    expect(verdict("https://example.org/", "member")).toBe("host-not-allowed");
    expect(verdict("https://evil-example.org/", "member")).toBe("host-not-allowed");
    expect(verdict("https://a.example.org:8443/", "member")).toBe("host-not-allowed");
    expect(verdict("https://exact.test:8443/", "member")).toBe("passes");
    expect(verdict("https://exact.test/", "member")).toBe("host-not-allowed");
    expect(verdict("https://a.example.org@evil.test/", "member")).toBe("host-not-allowed");
  });

  test("refuses every scheme but http and https", () => {
    for (const url of ["ftp://a.test/", "file:///x", "data:,x", "gopher://a.test/", "unix:/x"]) {
      expect(verdict(url), url).toBe("host-not-allowed");
    }
  });
});
