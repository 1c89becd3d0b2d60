import fc from "fast-check";
import { expect, test } from "vitest";
import { maskDatabaseUrl, parseDatabaseUrl, parseOrigin } from "../../src/config/urls.ts";

test.each([
  ["postgres://cistern:hunter2@db.example:5432/cistern", "postgres://cistern:***@db.example:5432/cistern"],
  ["postgresql://db/cistern", "postgresql://db/cistern"],
  ["postgres://cistern@[::1]/cistern", "postgres://cistern@[::1]/cistern"],
  [
    "postgres://u:p@db/cistern?sslmode=verify-full&sslpassword=hunter2",
    "postgres://u:***@db/cistern?sslmode=verify-full&sslpassword=***",
  ],
  ["postgres://db/cistern?user=u&password=hunter2", "postgres://db/cistern?user=u&password=***"],
])("%s is shown as %s", (url, shown) => {
  expect(parseDatabaseUrl(url)).toBe(url);
  expect(maskDatabaseUrl(url)).toBe(shown);
});

test("a database's URL shows its host and its database, and never its password, whatever that is", () => {
  const password = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 30 }).map((text) => `q7z${text}`);
  fc.assert(
    fc.property(password, fc.boolean(), (text, inQuery) => {
      const encoded = encodeURIComponent(text);
      const url = inQuery
        ? `postgres://u@db.example/cistern?sslmode=require&sslpassword=${encoded}`
        : `postgres://u:${encoded}@db.example/cistern`;
      expect(parseDatabaseUrl(url)).toBe(url);
      const shown = maskDatabaseUrl(url);
      expect(shown).not.toContain("q7z");
      expect(shown).toContain("db.example/cistern");
    }),
  );
});

test("a password that is not encoded makes the URL invalid, or stays masked", () => {
  const password = fc.string({ unit: "grapheme-ascii", minLength: 1, maxLength: 20 });
  fc.assert(
    fc.property(password, fc.constantFrom("", "12", "x"), (text, start) => {
      const url = parseDatabaseUrl(`postgres://u:${start}${text}q7z@db.example/cistern`);
      if (url !== undefined) expect(maskDatabaseUrl(url)).not.toContain("q7z");
    }),
    { numRuns: 2000 },
  );
});

test("an origin is what is left of itself when it is parsed again", () => {
  fc.assert(
    fc.property(fc.webUrl({ withQueryParameters: true, withFragments: true }), (text) => {
      const origin = parseOrigin(text);
      const { pathname, search, hash } = new URL(text);
      expect(origin !== undefined).toBe(pathname === "/" && search === "" && hash === "");
      if (origin !== undefined) expect(parseOrigin(origin)).toBe(origin);
    }),
  );
});
