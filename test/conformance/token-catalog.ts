import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import type { TokenId, TokenRecord } from "../../src/domain/token.ts";
import type { TokenCatalog } from "../../src/domain/token-catalog.ts";

const hash = () => randomBytes(32).toString("hex");

function someToken(fields: Partial<TokenRecord> = {}): TokenRecord {
  return {
    id: randomUUID() as TokenId,
    name: "nova",
    project: "compute",
    roles: ["reader", "member"],
    cidrs: ["10.0.0.0/8", "fd00::/8"],
    createdAt: new Date("2026-02-03T04:05:06.789Z"),
    expiresAt: new Date("2027-01-01T00:00:00.000Z"),
    revokedAt: undefined,
    ...fields,
  };
}

/** What every token catalog does; `make` answers one that tests share. */
export function tokenCatalogConformance(name: string, make: () => TokenCatalog): void {
  describe(`${name} is a token catalog`, () => {
    test("a token is found by the hash of its secret, as it was put", async () => {
      const token = someToken();
      const secret = hash();
      await make().put(token, secret);
      expect(await make().findByHash(secret)).toEqual(token);
      const bare = someToken({ roles: [], cidrs: [], expiresAt: undefined });
      const other = hash();
      await make().put(bare, other);
      expect(await make().findByHash(other)).toEqual(bare);
    });

    test("a hash that nobody has is certainly absent", async () => {
      expect(await make().findByHash(hash())).toBeUndefined();
    });

    test("put on an id that exists replaces it: the secret before is worth nothing", async () => {
      const [before, after] = [hash(), hash()];
      const token = someToken();
      await make().put(token, before);
      const next = { ...token, name: "renamed", roles: ["admin" as const], cidrs: [], expiresAt: undefined };
      await make().put(next, after);
      expect(await make().findByHash(before)).toBeUndefined();
      expect(await make().findByHash(after)).toEqual(next);
    });

    test("two tokens never share a secret", async () => {
      const secret = hash();
      await make().put(someToken(), secret);
      await expect(make().put(someToken(), secret)).rejects.toMatchObject({ code: "conflict" });
    });

    test("revoked and expired ones are still found: the caller judges", async () => {
      const secret = hash();
      const token = someToken({ expiresAt: new Date(0) });
      await make().put(token, secret);
      const revoked = await make().revoke(token.id);
      expect(revoked.revokedAt).toBeInstanceOf(Date);
      expect(await make().findByHash(secret)).toEqual(revoked);
    });

    test("revoking twice keeps the first time", async () => {
      const token = someToken();
      await make().put(token, hash());
      const first = await make().revoke(token.id);
      expect(await make().revoke(token.id)).toEqual(first);
    });

    test("revoking what is not there says so", async () => {
      await expect(make().revoke(randomUUID() as TokenId)).rejects.toMatchObject({ code: "token-not-found" });
    });

    test("the list has all, the oldest first", async () => {
      const old = someToken({ createdAt: new Date(1000) });
      const older = someToken({ createdAt: new Date(500) });
      await make().put(old, hash());
      await make().put(older, hash());
      const listed = await make().list(1_000, undefined);
      const ours = listed.filter((token) => token.id === old.id || token.id === older.id);
      expect(ours).toEqual([older, old]);
    });

    test("and is read page by page, ties by the id", async () => {
      const tied = Array.from({ length: 5 }, () => someToken({ createdAt: new Date(2_000) }));
      for (const token of tied) await make().put(token, hash());
      const all = await make().list(1_000, undefined);
      const paged: TokenRecord[] = [];
      for (;;) {
        const page = await make().list(2, paged.at(-1)?.id);
        paged.push(...page);
        if (page.length < 2) break;
      }
      expect(paged).toEqual(all);
    });

    test("after a token that is not there nothing can be listed", async () => {
      const nowhere = make().list(2, "no-such-token" as TokenId);
      await expect(nowhere).rejects.toMatchObject({ code: "invalid-input", fields: [{ field: "query.after" }] });
    });
  });
}
