import { BlockList, isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { liesIn, parseAddress, parseCidr } from "../../src/domain/cidr.ts";

describe("a CIDR", () => {
  test("takes an address as Node's own list of networks does", () => {
    const cases = fc.record({ network: ip(), address: ip(), length: fc.nat(128) });
    fc.assert(
      fc.property(cases, ({ network, address, length }) => {
        const most = isIP(network) === 4 ? 32 : 128;
        const family = isIP(network) === 4 ? "ipv4" : "ipv6";
        const bits = length % (most + 1);
        const list = new BlockList();
        list.addSubnet(network, bits, family);
        const parsed = cidrOf(network, bits);
        const there = parseAddress(address);
        if (there === undefined) throw new Error(`${address} was not parsed`);
        expect(liesIn(there, parsed)).toBe(list.check(address, isIP(address) === 4 ? "ipv4" : "ipv6"));
      }),
      { numRuns: 2_000 },
    );
  });

  test.each([
    "10.0.0.1/8",
    "fd00::1/8",
    "10.0.0.0/33",
    "fd00::/129",
    "10.0.0/8",
    "010.0.0.0/8",
    "1::2::3",
    "10.0.0.0/8/8",
    "",
    "x",
    "::1%eth0",
    "10.0.0.0/-1",
  ])("%s is refused", (text) => {
    expect(typeof parseCidr(text)).toBe("string");
  });

  test("an IPv4 address that is written as IPv6 lies in the IPv4 network", () => {
    const network = parseCidr("10.0.0.0/8");
    const address = parseAddress("::ffff:10.1.2.3");
    expect(typeof network !== "string" && address !== undefined && liesIn(address, network)).toBe(true);
  });

  test("an address is one exactly where Node says so", () => {
    fc.assert(
      fc.property(fc.oneof(ip(), fc.stringMatching(/^[0-9a-f:.]{0,20}$/)), (text) => {
        expect(parseAddress(text) !== undefined, text).toBe(isIP(text) !== 0);
      }),
      { numRuns: 2_000 },
    );
  });
});

/** Addresses that are near each other, so that some lie in a network. */
function ip() {
  const near = fc.tuple(fc.constantFrom(10, 192), fc.constantFrom(0, 1, 128), fc.nat(3), fc.nat(255));
  return fc.oneof(
    near.map((parts) => parts.join(".")),
    fc.ipV4(),
    fc.ipV6().filter((text) => !/^::ffff:/i.test(text)),
  );
}

function cidrOf(network: string, length: number) {
  const bits = parseAddress(network);
  if (bits === undefined) throw new Error(`${network} was not parsed`);
  return { bits, length: isIP(network) === 4 ? length + 96 : length };
}
