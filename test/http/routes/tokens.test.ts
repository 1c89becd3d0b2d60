import { randomUUID } from "node:crypto";
import type { OutgoingHttpHeaders } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { ADMIN_TOKEN_ID } from "../../../src/domain/token.ts";
import { call, problemOf } from "../call.ts";
import { type Edge, openEdge, snapshot } from "../edge.ts";

const CREATED = z.looseObject({ id: z.string(), token: z.string(), expires_at: z.string().nullable() });
const PAGE = z.strictObject({ tokens: z.array(z.looseObject({ id: z.string() })), next: z.string().nullable() });
let edge: Edge;
let admin = "";

beforeAll(async () => {
  edge = await openEdge();
  admin = await edge.token("admin", ["admin"]);
});

afterAll(async () => {
  expect(edge.faults).toEqual([]);
  await edge[Symbol.asyncDispose]();
});

const create = (json: unknown, token = admin) => call(edge.port, "POST", "/v1/tokens", { token, json });
const VALID = { name: "ci", project: "blue", roles: ["member"] };

async function created(json: object = {}) {
  const answer = await create({ ...VALID, ...json });
  expect(answer.status, answer.text).toBe(201);
  return CREATED.parse(answer.json());
}

async function statusWith(headers: OutgoingHttpHeaders): Promise<number> {
  return (await call(edge.port, "GET", "/artifacts/images", { headers })).status;
}

describe("creating a token", () => {
  test("shows its secret once, and keeps only a hash", async () => {
    const answer = await create({ ...VALID, cidrs: ["127.0.0.0/8", "::1", "127.0.0.0/8"], expires_in: "P30D" });
    expect([answer.status, answer.headers["cache-control"]]).toEqual([201, "no-store"]);
    const { token, id } = CREATED.parse(answer.json());
    expect(token).toMatch(/^cst_[\w-]{43}$/);
    expect(answer.headers.location).toBe(`/v1/tokens/${id}`);
    expect(answer.json()).toEqual({
      ...VALID,
      id,
      token,
      cidrs: ["127.0.0.0/8", "::1/128"],
      created_at: expect.any(String),
      expires_at: expect.any(String),
      revoked_at: null,
    });
    const listed = await call(edge.port, "GET", "/v1/tokens?limit=1000", { token: admin });
    expect(listed.text).toContain(id);
    expect(listed.text).not.toContain(token);
    expect(await snapshot(edge)).not.toContain(token);
  });

  test("with expires_at keeps that time, and refuses one that is over", async () => {
    const time = new Date(Date.now() + 3_600_000).toISOString();
    expect((await created({ expires_at: time })).expires_at).toBe(time);
    const late = await create({ ...VALID, expires_at: "2020-01-01T00:00:00Z" });
    expect([late.status, problemOf(late).fields]).toEqual([400, ["expires_at"]]);
  });

  test.each<[unknown, number, readonly string[]]>([
    [{}, 400, ["name", "project", "roles"]],
    [[], 400, ["body"]],
    [{ ...VALID, name: "" }, 400, ["name"]],
    [{ ...VALID, name: "x".repeat(256) }, 400, ["name"]],
    [{ ...VALID, project: "" }, 400, ["project"]],
    [{ ...VALID, project: "a\u0000" }, 400, ["project"]],
    [{ ...VALID, roles: [] }, 400, ["roles"]],
    [{ ...VALID, roles: "admin" }, 400, ["roles"]],
    [{ ...VALID, roles: ["member", "root"] }, 400, ["roles.1"]],
    [{ ...VALID, cidrs: "10.0.0.0/8" }, 400, ["cidrs"]],
    [{ ...VALID, cidrs: ["10.0.0.0/33"] }, 400, ["cidrs.0"]],
    [{ ...VALID, cidrs: ["::/129"] }, 400, ["cidrs.0"]],
    [{ ...VALID, cidrs: ["example.com"] }, 400, ["cidrs.0"]],
    [{ ...VALID, cidrs: ["fe80::1%eth0"] }, 400, ["cidrs.0"]],
    [{ ...VALID, cidrs: [10] }, 400, ["cidrs.0"]],
    [{ ...VALID, cidrs: Array.from({ length: 65 }, () => "10.0.0.0/8") }, 400, ["cidrs"]],
    [{ ...VALID, expires_at: "tomorrow" }, 400, ["expires_at"]],
    [{ ...VALID, expires_at: "2030-13-40T99:00:00Z" }, 400, ["expires_at"]],
    [{ ...VALID, expires_at: 5 }, 400, ["expires_at"]],
    [{ ...VALID, expires_in: "30 days" }, 400, ["expires_in"]],
    [{ ...VALID, expires_in: "PT0S" }, 400, ["expires_in"]],
    [{ ...VALID, expires_in: "P1D", expires_at: "2030-01-01T00:00:00Z" }, 400, ["expires_in"]],
    [{ ...VALID, admin: true }, 422, ["admin"]],
  ])("refuses %j and changes nothing", async (body, status, fields) => {
    const before = await snapshot(edge);
    const answer = await create(body);
    expect([answer.status, problemOf(answer).fields]).toEqual([status, fields]);
    expect(answer.headers["content-type"]).toBe("application/problem+json");
    expect(answer.json()).toMatchObject({
      type: "about:blank",
      status,
      title: expect.any(String),
      detail: expect.any(String),
    });
    expect(await snapshot(edge)).toBe(before);
  });

  test("is the admin's alone; the auditor may list", async () => {
    const others = await Promise.all(
      (["reader", "member", "auditor"] as const).map((role) => edge.token("blue", [role])),
    );
    const listing: number[] = [];
    for (const token of others) {
      expect((await create(VALID, token)).status).toBe(403);
      expect((await call(edge.port, "DELETE", `/v1/tokens/${randomUUID()}`, { token })).status).toBe(403);
      listing.push((await call(edge.port, "GET", "/v1/tokens", { token })).status);
    }
    expect(listing).toEqual([403, 403, 200]);
  });
});

describe("listing tokens", () => {
  test("goes page by page in the order of creation", async () => {
    const ids: string[] = [];
    for (let index = 0; index < 3; index += 1) ids.push((await created()).id);
    const seen: string[] = [];
    let next: string | null = "/v1/tokens?limit=2";
    while (next !== null) {
      const page: z.infer<typeof PAGE> = PAGE.parse((await call(edge.port, "GET", next, { token: admin })).json());
      expect(page.tokens.length).toBeLessThanOrEqual(2);
      seen.push(...page.tokens.map(({ id }) => id));
      next = page.next;
    }
    expect(seen.slice(-3)).toEqual(ids);
    expect(new Set(seen).size).toBe(seen.length);
  });

  test.each([
    ["limit=0", "query.limit"],
    ["after=%00", "query.after"],
    [`after=${randomUUID()}`, "query.after"],
    ["sort=name", "query.sort"],
  ])("by ?%s is refused at %s", async (query, field) => {
    const answer = await call(edge.port, "GET", `/v1/tokens?${query}`, { token: admin });
    expect([answer.status, problemOf(answer).fields]).toEqual([400, [field]]);
  });
});

describe("a token", () => {
  test("is shown in any of three ways", async () => {
    const { token } = await created();
    const basic = (user: string) => `Basic ${Buffer.from(`${user}:${token}`).toString("base64")}`;
    expect(await statusWith({ Authorization: `Bearer ${token}` })).toBe(200);
    expect(await statusWith({ authorization: `bearer   ${token}` })).toBe(200);
    expect(await statusWith({ "X-Auth-Token": token })).toBe(200);
    expect(await statusWith({ "X-Auth-Token": token.replaceAll("_", "%5F") })).toBe(200);
    expect(await statusWith({ Authorization: basic("") })).toBe(200);
    expect(await statusWith({ Authorization: basic("any user at all") })).toBe(200);
  });

  test("of no kind, or that nobody has, is 401 and tells how to ask", async () => {
    const attempts: OutgoingHttpHeaders[] = [
      {},
      { Authorization: "Bearer nobody" },
      { Authorization: "Bearer " },
      { Authorization: "Bearer" },
      { Authorization: "Negotiate abc" },
      { Authorization: "Basic !!!" },
      { Authorization: `Basic ${Buffer.from("nocolon").toString("base64")}` },
      { Authorization: `Bearer ${"x".repeat(600)}` },
      { "X-Auth-Token": "%" },
      { "X-Auth-Token": "%00" },
      { "X-Auth-Token": "a b" },
    ];
    for (const headers of attempts) {
      const answer = await call(edge.port, "GET", "/artifacts/images", { headers });
      expect([answer.status, problemOf(answer).code], JSON.stringify(headers)).toEqual([401, "unauthenticated"]);
      expect(answer.headers["www-authenticate"]).toMatch(/^Basic realm="cistern"/);
    }
  });

  test("works from its own addresses only", async () => {
    const here = await created({ cidrs: ["127.0.0.0/8"] });
    const elsewhere = await created({ cidrs: ["10.0.0.0/8", "fd00::/8"] });
    expect(await statusWith({ "X-Auth-Token": here.token })).toBe(200);
    expect(await statusWith({ "X-Auth-Token": elsewhere.token })).toBe(401);
  });

  test("that is revoked is refused at once, though it was let in a moment ago", async () => {
    const { token, id } = await created();
    expect(await statusWith({ "X-Auth-Token": token })).toBe(200);
    const revoked = await call(edge.port, "DELETE", `/v1/tokens/${id}`, { token: admin });
    expect([revoked.status, revoked.json()]).toEqual([
      200,
      expect.objectContaining({ revoked_at: expect.any(String) }),
    ]);
    expect(await statusWith({ "X-Auth-Token": token })).toBe(401);
    const again = await call(edge.port, "DELETE", `/v1/tokens/${id}`, { token: admin });
    expect(again.json()).toEqual(revoked.json());
  });

  test.each([randomUUID(), "x".repeat(65), "%00", "a%20b"])("%s is not there to be revoked", async (id) => {
    const answer = await call(edge.port, "DELETE", `/v1/tokens/${id}`, { token: admin });
    expect([answer.status, problemOf(answer).code]).toEqual([404, "token-not-found"]);
  });

  test("that the configuration holds is not revoked: nobody would be left to make another", async () => {
    const answer = await call(edge.port, "DELETE", `/v1/tokens/${ADMIN_TOKEN_ID}`, { token: admin });
    expect([answer.status, problemOf(answer).code]).toEqual([409, "conflict"]);
  });

  test("is no thing to be changed: 405", async () => {
    const one = await call(edge.port, "PUT", `/v1/tokens/${randomUUID()}`, { token: admin });
    const all = await call(edge.port, "DELETE", "/v1/tokens", { token: admin });
    expect([one.status, one.headers.allow, all.status, all.headers.allow]).toEqual([
      405,
      "DELETE",
      405,
      "GET, HEAD, POST",
    ]);
  });
});

describe("clients without a token", () => {
  test("read what is public from the addresses that may, and nothing else", async () => {
    await using open = await openEdge({ anonymousRead: ["127.0.0.0/8"] });
    const token = await open.token("blue", ["member"]);
    await call(open.port, "POST", "/artifacts/images", { token, json: { name: "hidden" } });
    const list = await call(open.port, "GET", "/artifacts/images", {});
    expect([list.status, list.json()]).toEqual([200, expect.objectContaining({ total_count: 0 })]);
    const write = await call(open.port, "POST", "/artifacts/images", { json: { name: "x" } });
    expect(write.status).toBe(403);
    expect((await call(open.port, "GET", "/v1/tokens", {})).status).toBe(403);
    // A token that is wrong is no way to be nobody.
    expect((await call(open.port, "GET", "/artifacts/images", { token: "wrong" })).status).toBe(401);
  });
});
