import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { isCisternError } from "../../src/domain/errors.ts";
import { maskUrl, originOf, parseLocationUrl, urlHasSecret } from "../../src/domain/location.ts";

const SECRET = fc.string({
  unit: fc.constantFrom(..."abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"),
  minLength: 12,
  maxLength: 40,
});
const SECRET_PARAMETERS = [
  "token",
  "access_token",
  "X-Amz-Signature",
  "X-Amz-Credential",
  "X-Amz-Security-Token",
  "X-Goog-Signature",
  "sig",
  "key",
  "api_key",
  "password",
  "Signature",
  "AWSAccessKeyId",
  "temp_url_sig",
  "Expires",
  "client_secret",
  "auth",
  "jwt",
  "code",
  "pass",
  "pwd",
  "session",
  "Session_Id",
  "sid",
  "hdnts",
  "hdnea",
  "ticket",
  "cookie",
  "cookie_auth",
];

describe("a location's URL", () => {
  test.each([
    ["HTTP://Example.COM:80/a b".replace(" ", "%20"), "http://example.com/a%20b"],
    ["https://example.com:8443", "https://example.com:8443/"],
    ["http://[::1]:8080/x?y=1", "http://[::1]:8080/x?y=1"],
    ["http://0x7f.1/x", "http://127.0.0.1/x"],
  ])("%s is kept as %s", (given, kept) => {
    expect(parseLocationUrl(given, "location.url")).toBe(kept);
  });

  test.each([
    ["", "absolute URL"],
    ["/x", "absolute URL"],
    ["ftp://example.com/x", "http or https"],
    ["file:///etc/passwd", "http or https"],
    ["javascript:alert(1)", "http or https"],
    ["http://", "absolute URL"],
    ["http://example.com/\n", "spaces or control"],
    [" http://example.com/", "spaces or control"],
    ["http://exa\tmple.com/", "spaces or control"],
    ["http://example.com/#part", "fragment"],
    [`http://example.com/${"x".repeat(5000)}`, "at most 4096"],
    ["http://example.com:99999/", "absolute URL"],
    [`http://example.com/?${"a=1&".repeat(65)}`, "must have at most 64 query parameters"],
  ])("%j is refused", (given, rule) => {
    expect(() => parseLocationUrl(given, "location.url")).toThrow(rule);
  });

  test("is kept or refused by name, whatever was given, and what is kept stays as it is", () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string(),
          fc.webUrl(),
          fc.string().map((rest) => `http://${rest}`),
        ),
        (text) => {
          try {
            const kept = parseLocationUrl(text, "location.url");
            expect(parseLocationUrl(kept, "location.url")).toBe(kept);
            expect(kept).toMatch(/^https?:\/\/[^/]+/);
          } catch (error) {
            expect(isCisternError(error, "invalid-input") && error.fields[0]?.field).toBe("location.url");
          }
        },
      ),
    );
  });

  test("shows no user-info and no secret-looking value", () => {
    fc.assert(
      fc.property(SECRET, SECRET, fc.constantFrom(...SECRET_PARAMETERS), SECRET, (user, password, name, value) => {
        const url = parseLocationUrl(`https://${user}:${password}@mirror.example/a.img?v=1&${name}=${value}`, "url");
        const shown = maskUrl(url);
        for (const secret of [user, password, value]) expect(shown).not.toContain(secret);
        expect(shown).toContain("mirror.example/a.img?v=1");
        expect(urlHasSecret(url)).toBe(true);
        expect(originOf(url)).toBe("mirror.example");
      }),
    );
  });

  test("hides a parameter that comes twice, percent-encoded or in another case", () => {
    const shown = maskUrl("https://m.example/x?sig=one1&SIG=two2&s%69g=three3&plain=4");
    expect(shown).not.toMatch(/one1|two2|three3/);
    expect(shown).toContain("plain=4");
  });

  test("without secrets is shown as it is", () => {
    const url = "https://m.example/debian-12.qcow2?arch=amd64";
    expect(maskUrl(url)).toBe(url);
    expect(urlHasSecret(url)).toBe(false);
  });

  test.each([
    "k=0123456789abcdefghij",
    "v=eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
    "v=AbC1%2BdEf2%2FgHi3%3D%3D",
    "q=dGhpc2lzYXNlY3JldDEyMw==",
    "b=a/b+c_d-e~f=g.h1i2j3k4L5",
  ])("hides the value of %s, which looks like a secret", (parameter) => {
    const url = parseLocationUrl(`https://m.example/x?arch=amd64&${parameter}&z=1`, "url");
    const [name] = parameter.split("=", 1);
    expect(maskUrl(url)).toBe(`https://m.example/x?arch=amd64&${name}=***&z=1`);
    expect(urlHasSecret(url)).toBe(true);
  });

  test.each(["dGhpc2lzYXNlY3JldDEyMw", "dGhpc2lzYXNlY3JldDEyMw=="])("hides a secret without a name: %s", (secret) => {
    const url = `https://m.example/x?${secret}&z=1`;
    expect(maskUrl(url)).toBe("https://m.example/x?***&z=1");
    expect(urlHasSecret(url)).toBe(true);
  });

  test.each([
    "file=debian-12-generic-amd64.qcow2",
    "file=pub/images/rocky-9-base-x86_64.tar.xz",
    "file=WINDOWS-SERVER-2025-EVAL.ISO",
    "file=windows-server-2025-eval.7z",
    "v=0123456789abcdefghi",
    "v=01234567890123456789",
    "v=abcdefghijklmnopqrstuvwxyz",
    "at=2026-01-01T00:00:00Z",
    "side=1&passage=2&q=a+b%20c&empty=&bare&&",
  ])("shows %s as it is", (query) => {
    const url = `https://m.example/x?${query}`;
    expect(maskUrl(url)).toBe(url);
    expect(urlHasSecret(url)).toBe(false);
  });

  test("may have 64 parameters", () => {
    const url = `https://m.example/?${"a=1&".repeat(63)}a=1`;
    expect(parseLocationUrl(url, "url")).toBe(url);
  });

  test("of a thousand secrets is masked in no time", () => {
    const names = Array.from({ length: 1000 }, (_, index) => `token${index}`);
    const url = `https://m.example/?${names.map((name) => `${name}=x`).join("&")}`;
    const began = performance.now();
    const shown = maskUrl(url);
    expect(performance.now() - began).toBeLessThan(20);
    expect(shown).toBe(`https://m.example/?${names.map((name) => `${name}=***`).join("&")}`);
  });
});
