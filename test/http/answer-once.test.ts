import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { call, problemOf } from "./call.ts";
import { type Edge, openEdge, snapshot } from "./edge.ts";

let edge: Edge;
let admin = "";
const CREATED = z.looseObject({ id: z.string(), token: z.string() });
const json = { name: "ci", project: "blue", roles: ["member"] };

beforeAll(async () => {
  edge = await openEdge();
  admin = await edge.token("admin", ["admin"]);
});

afterAll(async () => {
  expect(edge.faults).toEqual([]);
  await edge[Symbol.asyncDispose]();
});

const create = (key: string, body: unknown = json, token = admin) =>
  call(edge.port, "POST", "/v1/tokens", { token, json: body, headers: { "Idempotency-Key": key } });

test("the same key and body are answered the same again, secret included, and nothing more is made", async () => {
  const key = randomUUID();
  const first = await create(key);
  expect([first.status, first.headers["idempotent-replayed"]]).toEqual([201, undefined]);
  const after = await snapshot(edge);
  const again = await create(key, { roles: ["member"], project: "blue", name: "ci" });
  expect([again.status, again.text, again.headers.location, again.headers["idempotent-replayed"]]).toEqual([
    201,
    first.text,
    first.headers.location,
    "true",
  ]);
  expect(await snapshot(edge)).toBe(after);
});

test("another body under the key is refused, and the same key of another token is another key", async () => {
  const key = randomUUID();
  const first = CREATED.parse((await create(key)).json());
  const other = await create(key, { ...json, name: "other" });
  expect([other.status, problemOf(other)]).toMatchObject([
    422,
    { code: "idempotency-conflict", fields: ["header.idempotency-key"] },
  ]);
  const second = CREATED.parse((await create(key, json, await edge.token("admin", ["admin"]))).json());
  expect(second.id).not.toBe(first.id);
});

test("what failed is not remembered: the request may be mended", async () => {
  const key = randomUUID();
  const late = { ...json, expires_at: "2020-01-01T00:00:00Z" };
  expect((await create(key, late)).status).toBe(400);
  expect((await create(key)).status).toBe(201);
});

test("of two at once one runs, and the other hears that it does or what it answered", async () => {
  const key = randomUUID();
  const answers = await Promise.all(Array.from({ length: 6 }, () => create(key)));
  const made = answers.filter(({ status }) => status === 201);
  expect(new Set(made.map(({ text }) => text)).size).toBe(1);
  for (const answer of answers.filter(({ status }) => status !== 201)) {
    expect([answer.status, problemOf(answer).code, answer.headers["retry-after"]]).toEqual([409, "conflict", "1"]);
  }
});

test.each(["", "a b", "x".repeat(256), "ü"])("the key %j is none", async (key) => {
  const answer = await create(key);
  expect([answer.status, problemOf(answer).fields]).toEqual([400, ["header.idempotency-key"]]);
});
