import { describe, expect, test } from "vitest";
import { addressesIn } from "../../src/http/cidr.ts";
import { forwardedClient } from "../../src/http/forwarded.ts";

const TRUSTED = addressesIn(["10.0.0.0/8", "fd00::/8"]);
const clientOf = (header: string) => forwardedClient(header, TRUSTED);

describe("the client in X-Forwarded-For", () => {
  test.each([
    ["192.0.2.1", "192.0.2.1", "one proxy"],
    ["192.0.2.1, 10.0.0.2", "192.0.2.1", "two proxies"],
    ["192.0.2.66, 192.0.2.1, 10.0.0.2", "192.0.2.1", "an entry that the client forged"],
    ["garbage, 192.0.2.1", "192.0.2.1", "what the client forged is not even read"],
    ["10.0.0.66, 192.0.2.1", "192.0.2.1", "a trusted address that the client forged"],
    ["10.1.1.1,10.0.0.2", "10.1.1.1", "all of them are trusted"],
    ["192.0.2.1:4711", "192.0.2.1", "with a port"],
    ["[2001:DB8:0::1]:4711", "2001:db8::1", "IPv6 with a port, in one spelling"],
    ["[2001:db8::1], fd00::5", "2001:db8::1", "IPv6 in brackets"],
    ["::ffff:192.0.2.1", "192.0.2.1", "IPv4 as IPv6"],
  ])("%s is %s: %s", (header, client) => {
    expect(clientOf(header)).toBe(client);
  });

  test.each([
    ["", "nothing"],
    ["unknown", "no address"],
    ["192.0.2.1, _hidden", "the right-most is no address"],
    ["192.0.2.1, 10.0.0.2,", "an empty entry"],
    ["192.0.2.256", "no octet"],
    ["192.0.2.010", "octal"],
    ["fe80::1%eth0", "a zone"],
    ["[192.0.2.1]", "IPv4 in brackets"],
    ["192.0.2.1, 10.0.0.2; 10.0.0.3", "another separator"],
  ])("is not stated by %j: %s", (header) => {
    expect(clientOf(header)).toBeUndefined();
  });

  test("is not sought beyond 32 entries", () => {
    const proxies = (count: number) => Array<string>(count).fill("10.0.0.2").join(", ");
    expect(clientOf(`192.0.2.1, ${proxies(31)}`)).toBe("192.0.2.1");
    expect(clientOf(`192.0.2.1, ${proxies(32)}`)).toBeUndefined();
  });
});
