import { isIP } from "node:net";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCisternError } from "../../src/domain/errors.ts";
import { addressesIn, contains, parseCidr } from "../../src/http/cidr.ts";

describe("a CIDR", () => {
  test.each([
    ["10.0.0.0/8", "10.0.0.0/8"],
    ["192.0.2.1", "192.0.2.1/32"],
    ["2001:DB8::/32", "2001:db8::/32"],
    ["::1", "::1/128"],
    ["0.0.0.0/0", "0.0.0.0/0"],
  ])("%s is kept as %s", (given, kept) => {
    expect(parseCidr(given, "cidrs.0")).toBe(kept);
  });

  test.each([
    "",
    "10.0.0.0/33",
    "10.0.0/8",
    "010.0.0.1",
    "::/129",
    "::/-1",
    "a.b.c.d",
    "10.0.0.0/8/8",
    "10.0.0.0/",
    5,
    null,
  ])("%j is refused by name", (given) => {
    expect(() => parseCidr(given, "cidrs.0")).toThrow(/^cidrs.0: must be a CIDR/);
  });

  test("of one address holds that address, and of any text is kept or refused", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (address) => {
        fc.pre(isIP(address) !== 0);
        expect(contains(addressesIn([parseCidr(address, "x")]), address)).toBe(true);
      }),
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[0-9a-f:./]*$/)), (text) => {
        try {
          addressesIn([parseCidr(text, "x")]);
        } catch (error) {
          expect(isCisternError(error, "invalid-input")).toBe(true);
        }
      }),
    );
  });
});
