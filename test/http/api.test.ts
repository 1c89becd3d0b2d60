import { createServer, type Server } from "node:http";
import { getRequestListener } from "@hono/node-server";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { Api } from "../../src/http/api.ts";
import { Authenticator } from "../../src/http/authenticate.ts";
import { requireTag } from "../../src/http/entity-tag.ts";
import { media } from "../../src/http/operation.ts";
import { nextPage, pageOf, pageQuery } from "../../src/http/pages.ts";
import { duration, flag, text } from "../../src/http/wire-fields.ts";
import { systemClock } from "../../src/telemetry/system-clock.ts";
import { call, problemOf } from "./call.ts";
import { type Edge, openEdge } from "./edge.ts";
import { noLimits } from "./no-limits.ts";

let edge: Edge;
let server: Server;
let port = 0;
let admin = "";
let reader = "";
const faults: unknown[] = [];

const thing = z.object({ id: z.string(), keep: z.int() });
const body = z.strictObject({
  name: text({ min: 1, max: 10 }),
  keep: duration().optional(),
  rules: z
    .array(z.discriminatedUnion("kind", [z.strictObject({ kind: z.literal("a"), size: z.int().min(1).max(9) })]))
    .max(2)
    .optional(),
  either: z.union([z.literal("none"), z.strictObject({ until: text({ max: 3 }) })]).optional(),
});
const common = { summary: "x", tags: ["things"], roles: ["admin"] } as const;

beforeAll(async () => {
  edge = await openEdge();
  admin = await edge.token("admin", ["admin"]);
  reader = await edge.token("blue", ["reader"]);
  const authenticator = new Authenticator({
    tokens: edge.catalog.tokens,
    clock: systemClock,
    anonymousRead: [],
    limits: noLimits(),
  });
  const answers = edge.catalog.firstAnswers;
  const report = (error: unknown) => void faults.push(error);
  const { routes } = new Api({ authenticator, publicUrl: undefined, answers, report })
    .get(
      "/v1/things",
      {
        ...common,
        query: z.strictObject({ ...pageQuery, big: flag().optional(), state: z.array(z.enum(["a", "b"])).optional() }),
        responses: { 200: pageOf("things", thing).extend({ asked: z.unknown() }) },
      },
      async ({ context, query }) => ({
        status: 200,
        body: { things: [], next: nextPage(context, "c&d"), asked: query },
      }),
    )
    .get(
      "/v1/things/:id",
      { ...common, params: { id: z.uuid() }, notFound: "token-not-found", responses: { 200: thing } },
      async ({ params }) => ({ status: 200, headers: { ETag: '"r1"' }, body: { id: params.id, keep: 0 } }),
    )
    .post("/v1/things/explain", { ...common, body, responses: { 200: thing } }, async ({ body: { name, keep } }) => ({
      status: 200,
      body: { id: name, keep: keep ?? 0 },
    }))
    .put(
      "/v1/things",
      { ...common, ifMatch: "required", body: z.strictObject({}).optional(), responses: { 204: null } },
      async ({ ifMatch }) => {
        requireTag(ifMatch, '"r1"');
        return { status: 204 };
      },
    )
    .get("/v1/text", { ...common, roles: "anyone", responses: { 200: media("text/csv") } }, async () => ({
      status: 200,
      body: "a,b\n",
    }));
  server = createServer((request, response) => {
    void getRequestListener(routes.fetch, { overrideGlobalObjects: false })(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  port = typeof address === "object" && address !== null ? address.port : 0;
});

afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await edge[Symbol.asyncDispose]();
  expect(faults).toEqual([]);
});

const explain = (json: unknown, token = admin) => call(port, "POST", "/v1/things/explain", { token, json });

describe("an operation", () => {
  test("asks who is there, then for the role, and only then reads", async () => {
    expect((await call(port, "GET", "/v1/things?limit=0", {})).status).toBe(401);
    const refused = await call(port, "GET", "/v1/things?limit=0", { token: reader });
    expect([refused.status, problemOf(refused).code]).toEqual([403, "forbidden"]);
    expect((await call(port, "GET", "/v1/things?limit=0", { token: admin })).status).toBe(400);
  });

  test("for anyone needs no token, and answers its own medium", async () => {
    const answer = await call(port, "GET", "/v1/text");
    expect([answer.status, answer.headers["content-type"], answer.text]).toEqual([200, "text/csv", "a,b\n"]);
    expect(answer.headers["cache-control"]).toBe("no-store");
  });

  test("answers 405 with what its path takes, and HEAD like GET", async () => {
    const refused = await call(port, "DELETE", "/v1/things", { token: admin });
    expect([refused.status, refused.headers.allow]).toEqual([405, "GET, HEAD, PUT"]);
    const head = await call(port, "HEAD", "/v1/things", { token: admin });
    expect([head.status, head.headers["content-type"], head.length]).toEqual([200, "application/json", 0]);
    // Not the thing named explain: a path without parameters comes first.
    expect((await call(port, "GET", "/v1/things/explain", { token: admin })).headers.allow).toBe("POST");
  });

  test("whose path names nothing that could be there answers its own 404", async () => {
    const answer = await call(port, "GET", "/v1/things/7", { token: admin });
    expect([answer.status, problemOf(answer)]).toEqual([
      404,
      { code: "token-not-found", fields: ["path.id"], rules: ["must be a UUID"] },
    ]);
  });
});

describe("a query", () => {
  test("is parsed, and has a next page that asks the same", async () => {
    const answer = await call(port, "GET", "/v1/things?big=true&limit=7&state=a&state=b", { token: admin });
    expect(answer.json()).toEqual({
      things: [],
      next: "/v1/things?big=true&limit=7&state=a&state=b&after=c%26d",
      asked: { limit: 7, big: true, state: ["a", "b"] },
    });
  });

  test.each([
    ["limit=1001", ["query.limit"], ["must be a whole number from 1 to 1000"]],
    ["limit=1&limit=2", ["query.limit"], ["must be given once"]],
    ["limit=x&big=1", ["query.limit", "query.big"], ["must be a whole number from 1 to 1000", "must be true or false"]],
    ["sort=a&state=c", ["query.state.0", "query.sort"], ["must be one of a, b", "is not a parameter here"]],
    ["after=%00", ["query.after"], ["must not contain control characters"]],
    ["__proto__=1", ["query.__proto__"], ["is not a parameter here"]],
  ])("?%s is refused", async (query, fields, rules) => {
    const answer = await call(port, "GET", `/v1/things?${query}`, { token: admin });
    expect([answer.status, problemOf(answer)]).toEqual([400, { code: "invalid-input", fields, rules }]);
  });
});

describe("a body", () => {
  test("is parsed", async () => {
    const answer = await explain({ name: "x", keep: "PT1S", rules: [{ kind: "a", size: 1 }], either: { until: "a" } });
    expect([answer.status, answer.json()]).toEqual([200, { id: "x", keep: 1000 }]);
  });

  test.each<[unknown, number, string[], string[]]>([
    [[], 400, ["body"], ["must be a JSON object"]],
    [{}, 400, ["name"], ["is required"]],
    [{ name: "" }, 400, ["name"], ["must not be empty"]],
    [{ name: "a\u0000" }, 400, ["name"], ["must not contain control characters"]],
    [{ name: "a", keep: "1 day" }, 400, ["keep"], ["must be an ISO 8601 duration such as P30D or PT12H"]],
    [{ name: "a", more: 1 }, 422, ["more"], ["is not a field here"]],
    [{ name: 1, more: 1 }, 422, ["more", "name"], ["is not a field here", "must be a string"]],
    [{ name: "a", rules: [{ kind: "b" }] }, 400, ["rules.0.kind"], ["must be one of a"]],
    [{ name: "a", rules: [{ kind: "a" }] }, 400, ["rules.0.size"], ["is required"]],
    [{ name: "a", rules: [{ kind: "a", size: 10 }] }, 400, ["rules.0.size"], ["must be at most 9"]],
    [{ name: "a", rules: [{ kind: "a", size: 1, b: 1 }] }, 422, ["rules.0.b"], ["is not a field here"]],
    [{ name: "a", rules: [1, 2, 3] }, 400, ["rules"], ["must have at most 2 entries"]],
    [{ name: "a", either: 5 }, 400, ["either"], ["must be none or a JSON object"]],
    [{ name: "a", either: { until: "long" } }, 400, ["either.until"], ["must be at most 3 characters"]],
  ])("%j is refused", async (json, status, fields, rules) => {
    const answer = await explain(json);
    const code = status === 422 ? "unknown-field" : "invalid-input";
    expect([answer.status, problemOf(answer)]).toEqual([status, { code, fields, rules }]);
  });
});

describe("If-Match", () => {
  const put = (tag?: string) =>
    call(port, "PUT", "/v1/things", { token: admin, ...(tag === undefined ? {} : { headers: { "If-Match": tag } }) });

  test.each([
    [undefined, 428],
    ["*", 204],
    ['"r1"', 204],
    ['"r0", "r1"', 204],
    ['"r2"', 412],
    ['W/"r1"', 412],
    ["r1", 400],
  ])("%s is answered %i when the tag is needed and is r1", async (tag, status) => {
    expect((await put(tag)).status).toBe(status);
  });
});
