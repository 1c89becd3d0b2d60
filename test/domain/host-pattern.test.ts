import { describe, expect, test } from "vitest";
import { hostMatches } from "../../src/domain/host-pattern.ts";

describe("a host pattern", () => {
  test.each([
    ["mirror.example", "https://mirror.example/x"],
    ["mirror.example", "http://MIRROR.example./x"],
    ["*.example", "https://a.b.example/x"],
    ["mirror.example:8080", "http://mirror.example:8080/x"],
    ["*.example:8080", "http://a.example:8080/x"],
    ["[::1]:9000", "http://[::1]:9000/"],
    ["[::1]", "http://[::1]/"],
    ["MIRROR.example", "http://mirror.example/"],
  ])("%s takes %s", (pattern, url) => {
    expect(hostMatches(pattern, url)).toBe(true);
  });

  test.each([
    ["mirror.example", "https://mirror.example:8443/x"],
    ["mirror.example", "https://evil.mirror.example/x"],
    ["mirror.example", "https://mirror.example.evil/x"],
    ["mirror.example", "https://mirror.example@evil.test/x"],
    ["*.example", "https://example/x"],
    ["*.example", "https://evilexample/x"],
    ["*.example", "https://a.example:444/x"],
    ["mirror.example:8080", "http://mirror.example/x"],
    ["[::1]", "http://[::2]/"],
    ["mirrorXexample", "http://mirror.example/"],
  ])("%s does not take %s", (pattern, url) => {
    expect(hostMatches(pattern, url)).toBe(false);
  });
});
