import { randomBytes } from "node:crypto";
import { describe, expect, test } from "vitest";
import { CallerLimits } from "../../src/http/caller-limits.ts";
import { call } from "./call.ts";
import { openEdge } from "./edge.ts";
import { ENDLESS } from "./no-limits.ts";

const someToken = () => `cst_${randomBytes(32).toString("base64url")}`;
const reader = (tokenId: string, address: string) => ({ tokenId, project: "p", roles: ["reader"] as const, address });

describe("requests", () => {
  test("of one token from one address are 429 when they are too many, and tell when to come again", async () => {
    await using edge = await openEdge({ rates: { requestsPerSecond: 1 } });
    const [one, other] = [await edge.token("blue", ["member"]), await edge.token("blue", ["member"])];
    const ask = (token: string, headers = {}) => call(edge.port, "GET", "/artifacts/all?limit=1", { token, headers });
    const answers = await Promise.all(Array.from({ length: 25 }, () => ask(one)));
    const refused = answers.filter(({ status }) => status === 429);
    expect(answers.filter(({ status }) => status === 200).length).toBeGreaterThanOrEqual(20);
    expect(refused.length).toBeGreaterThan(0);
    expect(Number(refused[0]?.headers["retry-after"])).toBeGreaterThanOrEqual(1);
    expect(refused[0]?.text).toContain("too-many-requests");
    // Nobody else pays for it; and no header makes another client of the same one.
    expect((await ask(other)).status).toBe(200);
    for (const name of ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP"]) {
      expect((await ask(one, { [name]: "198.51.100.9" })).status).toBe(429);
    }
    // What it is refused before: nothing of a body is read, nothing is changed.
    const post = await call(edge.port, "POST", "/artifacts/images", { token: one, json: { name: "never" } });
    expect(post.status).toBe(429);
    expect((await edge.catalog.artifacts.list({ type: undefined, visibleTo: undefined, limit: 1 })).artifacts).toEqual(
      [],
    );
  });

  test("of a fleet of a thousand behind one address, with one token, are not hit by what is set by default", () => {
    const limits = new CallerLimits(
      { requestsPerSecond: 500, readsPerSecond: Infinity, guessesPerMinute: 60 },
      () => 0,
    );
    const fleet = reader("t", "192.0.2.1");
    for (let n = 0; n < 10_000; n += 1) limits.takeRequest(fleet);
    for (let n = 0; n < 100_000; n += 1) limits.takeRead(fleet);
  });

  test("of one token from all the addresses of one host's IPv6 network are counted together", () => {
    const limits = new CallerLimits({ ...ENDLESS, requestsPerSecond: 1 }, () => 0);
    for (let n = 0; n < 20; n += 1) limits.takeRequest(reader("t", `2001:db8::${n}`));
    expect(() => limits.takeRequest(reader("t", "2001:db8::ffff:1"))).toThrow(
      expect.objectContaining({ code: "too-many-requests" }),
    );
    limits.takeRequest(reader("t", "2001:db8:0:1::1"));
    limits.takeRequest(reader("other", "2001:db8::1"));
  });

  test("for blobs have a limit of their own, where one is set", () => {
    const limits = new CallerLimits({ ...ENDLESS, readsPerSecond: 1 }, () => 0);
    const [here, there] = [reader("t", "192.0.2.1"), reader("t", "192.0.2.2")];
    for (let n = 0; n < 19; n += 1) limits.takeRead(here);
    const last = limits.mayRead(here);
    expect(last).not.toBe(false);
    if (last !== false) last?.spend();
    expect(limits.mayRead(here)).toBe(false);
    expect(() => limits.takeRead(here)).toThrow(expect.objectContaining({ code: "too-many-requests" }));
    limits.takeRead(there);
    limits.takeRequest(here);
  });
});

describe("guessing", () => {
  test("is slowed down, costs the catalog no query then, and locks no token out that is known", async () => {
    await using edge = await openEdge({ rates: { guessesPerMinute: 3 } });
    const valid = await edge.token("blue", ["member"]);
    const ask = (token: string) => call(edge.port, "GET", "/artifacts/all?limit=1", { token });
    expect((await ask(valid)).status).toBe(200);
    const { tokens } = edge.catalog;
    const findByHash = tokens.findByHash.bind(tokens);
    let queries = 0;
    tokens.findByHash = (hash) => {
      queries += 1;
      return findByHash(hash);
    };
    const statuses: number[] = [];
    for (let n = 0; n < 60; n += 1) statuses.push((await ask(someToken())).status);
    expect(statuses.slice(0, 6)).toEqual(Array.from({ length: 6 }, () => 401));
    expect(statuses.slice(10).every((status) => status === 429)).toBe(true);
    expect(queries).toBeLessThan(10);
    expect((await ask(valid)).status).toBe(200);
  });

  test("with the same wrong token again and again is one guess: a fleet with an old token does not close its address", async () => {
    await using edge = await openEdge({ rates: { guessesPerMinute: 3 } });
    const old = someToken();
    const ask = (token: string) => call(edge.port, "GET", "/artifacts/all?limit=1", { token });
    const answers = await Promise.all(Array.from({ length: 50 }, () => ask(old)));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([401]));
    const fresh = await edge.token("blue", ["member"]);
    expect((await ask(fresh)).status).toBe(200);
  });

  test("is not what a thousand right tokens are that come at once from one address", async () => {
    await using edge = await openEdge({ rates: { guessesPerMinute: 3 } });
    const tokens = await Promise.all(Array.from({ length: 100 }, () => edge.token("blue", ["reader"])));
    const answers = await Promise.all(
      tokens.map((token) => call(edge.port, "GET", "/artifacts/all?limit=1", { token })),
    );
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  });

  test("goes by the /64 of an IPv6 address", () => {
    const limits = new CallerLimits({ ...ENDLESS, guessesPerMinute: 1 }, () => 0);
    const refusal = expect.objectContaining({ code: "too-many-requests" });
    for (const last of ["::1", "::2"]) limits.guess(`2001:db8:1:2${last}`).wrong();
    expect(() => limits.guess("2001:db8:1:2:ffff::9")).toThrow(refusal);
    limits.guess("2001:db8:1:3::1").wrong();
    limits.guess("192.0.2.1").wrong();
  });
});
