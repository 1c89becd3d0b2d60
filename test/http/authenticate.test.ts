import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { hashSecret } from "../../src/artifact/tokens.ts";
import { CisternError, isCisternError } from "../../src/domain/errors.ts";
import type { TokenId, TokenRecord } from "../../src/domain/token.ts";
import type { TokenCatalog } from "../../src/domain/token-catalog.ts";
import { Authenticator } from "../../src/http/authenticate.ts";
import { CallerLimits, type CallerRates } from "../../src/http/caller-limits.ts";
import type { CredentialHeaders } from "../../src/http/credentials.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { ENDLESS } from "./no-limits.ts";

const HERE = "192.0.2.7";
const SECRET = "cst_the-only-one";

/** A catalog of one token that counts how often it is asked, and can be away. */
class OneToken implements TokenCatalog {
  queries = 0;
  away = false;
  token: TokenRecord | undefined;
  answer: Promise<void> = Promise.resolve();

  constructor(token: TokenRecord | undefined) {
    this.token = token;
  }

  async findByHash(hash: string): Promise<TokenRecord | undefined> {
    this.queries += 1;
    const { token } = this;
    await this.answer;
    if (this.away) throw new CisternError("catalog-unavailable", "away");
    return hash === hashSecret(SECRET) ? token : undefined;
  }

  put = () => Promise.reject(new Error("not asked for"));
  list = () => Promise.reject(new Error("not asked for"));
  revoke = () => Promise.reject(new Error("not asked for"));
}

function setUp(
  fields: Partial<TokenRecord> = {},
  anonymousRead: readonly string[] = [],
  rates: Partial<CallerRates> = {},
) {
  const clock = new ManualClock();
  const token: TokenRecord = {
    id: randomUUID() as TokenId,
    name: "one",
    project: "blue",
    roles: ["member"],
    cidrs: [],
    createdAt: clock.now(),
    expiresAt: undefined,
    revokedAt: undefined,
    ...fields,
  };
  const tokens = new OneToken(token);
  const limits = new CallerLimits({ ...ENDLESS, ...rates }, () => clock.monotonic());
  const authenticator = new Authenticator({ tokens, clock, anonymousRead, limits });
  const headers = { authorization: `Bearer ${SECRET}` };
  const ask = (address = HERE) => authenticator.authenticate(headers, address);
  const cached = (address = HERE) => authenticator.authenticateCached(headers, address);
  return { clock, tokens, token, authenticator, ask, cached, headers };
}

const refusal = { code: "unauthenticated" };

describe("authentication", () => {
  test("asks the catalog once in ten seconds, and needs no promise in between", async () => {
    const { ask, cached, tokens, clock, token } = setUp();
    expect(cached()).toBeUndefined();
    expect(await ask()).toEqual({ tokenId: token.id, project: "blue", roles: ["member"], address: HERE });
    expect(cached()).toBe(await ask());
    clock.advance(9_999);
    expect(cached()).toBeDefined();
    expect(tokens.queries).toBe(1);
    clock.advance(1);
    expect(cached()).toBeUndefined();
    await ask();
    expect(tokens.queries).toBe(2);
  });

  test("says from where each request of one token came, whatever was cached for another address", async () => {
    const { ask, cached } = setUp();
    const there = "198.51.100.1";
    const first = await ask();
    expect(cached(there)).toEqual({ ...first, address: there });
    expect(await ask(there)).toEqual({ ...first, address: there });
    expect(cached()?.address).toBe(HERE);
    expect(first.address).toBe(HERE);
  });

  test("of a connection goes by what it shows now", async () => {
    const { authenticator, clock, headers, ask, token } = setUp();
    const connection = {};
    const cached = (shown: CredentialHeaders) => authenticator.authenticateCached(shown, HERE, connection);
    expect(cached(headers)).toBeUndefined();
    await ask();
    for (const _ of [1, 2]) expect(cached(headers)).toBeDefined();
    expect(cached({ authorization: `${headers.authorization}x` })).toBeUndefined();
    expect(cached({})).toBeUndefined();
    expect(cached({ "x-auth-token": SECRET })).toBeDefined();
    expect(cached({ "x-auth-token": `${SECRET}x` })).toBeUndefined();
    expect(cached({ authorization: "Bearer ", "x-auth-token": SECRET })).toBeUndefined();
    expect(cached(headers)).toBeDefined();
    clock.advance(10_000);
    expect(cached(headers)).toBeUndefined();
    await ask();
    expect(cached(headers)).toBeDefined();
    authenticator.forget(token.id);
    expect(cached(headers)).toBeUndefined();
  });

  test("of a herd with one token is one query", async () => {
    const { ask, tokens } = setUp();
    await Promise.all(Array.from({ length: 200 }, () => ask()));
    expect(tokens.queries).toBe(1);
  });

  test("goes on for ten minutes past its time while the catalog is away, and no longer", async () => {
    const { ask, cached, tokens, clock } = setUp();
    await ask();
    tokens.away = true;
    clock.advance(609_000);
    expect(cached()).toBeUndefined();
    expect(await ask()).toBeDefined();
    clock.advance(2_000);
    await expect(ask()).rejects.toMatchObject({ code: "catalog-unavailable" });
  });

  test("that may have been revoked unheard is asked for again, and serves until then while the catalog is away", async () => {
    const { ask, cached, tokens, token, authenticator, clock } = setUp();
    await ask();
    clock.advance(1);
    authenticator.forget(undefined);
    expect(cached()).toBeUndefined();
    tokens.away = true;
    expect(await ask()).toBeDefined();
    tokens.away = false;
    tokens.token = { ...token, revokedAt: clock.now() };
    clock.advance(10_000);
    await expect(ask()).rejects.toMatchObject(refusal);
  });

  test("of an unknown token while the catalog is away is a failure, not a refusal (I7)", async () => {
    const { ask, tokens } = setUp();
    tokens.away = true;
    await expect(ask()).rejects.toMatchObject({ code: "catalog-unavailable" });
  });

  test("remembers a refusal for two seconds", async () => {
    const { authenticator, tokens, clock } = setUp();
    const wrong = () => authenticator.authenticate({ "x-auth-token": "wrong" }, HERE);
    await expect(wrong()).rejects.toMatchObject(refusal);
    await expect(wrong()).rejects.toMatchObject(refusal);
    expect(tokens.queries).toBe(1);
    clock.advance(2_000);
    await expect(wrong()).rejects.toMatchObject(refusal);
    expect(tokens.queries).toBe(2);
  });

  test("made-up tokens push no real one out", async () => {
    const { authenticator, ask, cached } = setUp();
    await ask();
    for (let index = 0; index < 12_000; index += 1) {
      await expect(authenticator.authenticate({ "x-auth-token": `made-up-${index}` }, HERE)).rejects.toMatchObject(
        refusal,
      );
    }
    expect(cached()).toBeDefined();
  });

  test("ends with the token's time, to the millisecond, also from the cache", async () => {
    const clock = new ManualClock();
    const { ask, cached, clock: own } = setUp({ expiresAt: new Date(clock.now().getTime() + 5_000) });
    await ask();
    own.advance(4_999);
    expect(cached()).toBeDefined();
    own.advance(1);
    expect(cached()).toBeUndefined();
    await expect(ask()).rejects.toMatchObject({ ...refusal, message: "the token has expired" });
  });

  test("ends with its revocation, also for a look-up that was under way", async () => {
    const { ask, cached, tokens, token, authenticator, clock } = setUp();
    let release = () => {};
    tokens.answer = new Promise((resolve) => {
      release = resolve;
    });
    const before = ask();
    tokens.token = { ...token, revokedAt: clock.now() };
    authenticator.forget(token.id);
    release();
    await before;
    expect(cached()).toBeUndefined();
    await expect(ask()).rejects.toMatchObject({ ...refusal, message: "the token was revoked" });
  });

  test("holds a token to its addresses, IPv4 within IPv6 included", async () => {
    const { ask, cached } = setUp({ cidrs: ["192.0.2.0/29", "2001:db8::/32"] });
    for (const address of ["192.0.2.7", "::ffff:192.0.2.1", "2001:db8::5"]) {
      expect(await ask(address)).toBeDefined();
      expect(cached(address)).toBeDefined();
    }
    for (const address of ["192.0.2.8", "::ffff:192.0.2.9", "2001:db9::5", "", "nonsense"]) {
      expect(cached(address)).toBeUndefined();
      await expect(ask(address)).rejects.toMatchObject(refusal);
    }
  });

  test("lets clients without a token read from the configured addresses, without a query", async () => {
    const { authenticator, tokens } = setUp({}, ["192.0.2.0/24"]);
    expect(await authenticator.authenticate({}, HERE)).toEqual({
      tokenId: "anonymous",
      project: "",
      roles: ["reader"],
      address: HERE,
    });
    expect(authenticator.authenticateCached({}, HERE)).toBeDefined();
    expect(authenticator.authenticateCached({}, "198.51.100.1")).toBeUndefined();
    await expect(authenticator.authenticate({}, "198.51.100.1")).rejects.toMatchObject(refusal);
    expect(tokens.queries).toBe(0);
  });

  test("of any headers lets in, or refuses without repeating what was shown", async () => {
    const { authenticator } = setUp();
    const text = fc.string({ maxLength: 700 });
    const header = fc.oneof(
      text,
      text.map((token) => `Bearer ${token}`),
      text.map((pair) => `Basic ${btoa(encodeURIComponent(pair))}`),
    );
    await fc.assert(
      fc.asyncProperty(
        fc.option(header, { nil: undefined }),
        fc.option(text, { nil: undefined }),
        async (authorization, own) => {
          const headers = { authorization, "x-auth-token": own };
          expect(authenticator.authenticateCached(headers, HERE)).toBeUndefined();
          try {
            await authenticator.authenticate(headers, HERE);
            expect.unreachable();
          } catch (error) {
            if (!isCisternError(error, "unauthenticated")) throw error;
            const shown = [authorization, own].filter((value) => value !== undefined && value.length > 30);
            for (const value of shown) expect(error.message).not.toContain(value);
          }
        },
      ),
    );
  });
});
