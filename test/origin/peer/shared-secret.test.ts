import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { SharedSecret } from "../../../src/origin/peer/shared-secret.ts";

const REQUEST = { method: "GET", target: "/internal/fills?key=k&fence=1&offset=0&holder=h" };
/** The database's time: nothing here asks the machine's clock. */
const NOW = Date.UTC(2001, 0, 1) + 0.5;

function knowing(secret: string, now = NOW): SharedSecret {
  return new SharedSecret(secret, () => now);
}

describe("requests under a shared secret", () => {
  test.each([-14_000, -1, 0, 1, 14_000])("hold between replicas that know the time %d ms apart", (apart) => {
    expect(knowing("s", NOW + apart).verify(REQUEST, knowing("s").sign(REQUEST))).toBe(true);
  });

  test.each([15_001, 3_600_000, -15_002, -3_600_000])("do not hold %d ms later", (later) => {
    expect(knowing("s", NOW + later).verify(REQUEST, knowing("s").sign(REQUEST))).toBe(false);
  });

  test("do not hold while the time is not known", () => {
    expect(knowing("s", Number.NaN).verify(REQUEST, knowing("s").sign(REQUEST))).toBe(false);
  });

  test("hold for nothing but what was signed", () => {
    const request = fc.record({ method: fc.constantFrom("GET", "HEAD", "PUT"), target: fc.string() });
    fc.assert(
      fc.property(fc.string(), fc.string(), request, request, (secret, other, signed, asked) => {
        const authorization = knowing(secret).sign(signed);
        expect(knowing(secret).verify(signed, authorization)).toBe(true);
        const same = signed.method === asked.method && signed.target === asked.target;
        expect(knowing(secret).verify(asked, authorization)).toBe(same);
        expect(knowing(other).verify(signed, authorization)).toBe(secret === other);
      }),
    );
  });

  test("whatever is sent instead is refused, not thrown at", () => {
    const anything = fc.oneof(
      fc.string(),
      fc.string().map((text) => `Cistern-Peer ${text}`),
      fc.constant(undefined),
    );
    fc.assert(fc.property(anything, (text) => !knowing("s").verify(REQUEST, text)));
  });

  test("prove nothing as answers, nor answers as requests", () => {
    const secret = knowing("s");
    const authorization = secret.sign(REQUEST);
    const mac = authorization.slice(authorization.indexOf(".") + 1);
    expect(secret.confirms(authorization, "denied", secret.vouch(authorization, "denied"))).toBe(true);
    expect(secret.confirms(authorization, "denied", mac)).toBe(false);
    expect(secret.confirms(authorization, "denied", undefined)).toBe(false);
    expect(secret.confirms(authorization, "other", secret.vouch(authorization, "denied"))).toBe(false);
    const forged = authorization.replace(mac, secret.vouch(authorization, "denied"));
    expect(secret.verify(REQUEST, forged)).toBe(false);
  });
});
