import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { call } from "./call.ts";
import { type Edge, openEdge } from "./edge.ts";

const DOCUMENT = z.looseObject({
  openapi: z.literal("3.1.0"),
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ operationId: z.string() }))),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }),
});
let edge: Edge;

beforeAll(async () => {
  edge = await openEdge();
});

afterAll(() => edge[Symbol.asyncDispose]());

async function document() {
  const answer = await call(edge.port, "GET", "/openapi.json");
  expect([answer.status, answer.headers["content-type"]]).toEqual([200, "application/json"]);
  return { text: answer.text, ...DOCUMENT.parse(answer.json()) };
}

test("anybody may read what the routes are, the document's own one included", async () => {
  const { paths } = await document();
  expect(paths).toMatchObject({
    "/openapi.json": { get: { security: [] } },
    "/artifacts/{type}/{id}": { get: {}, patch: {}, delete: {} },
    "/artifacts/{type}/{id}/{field}": { get: {}, head: {}, put: {}, delete: {} },
    "/v1/tokens/{id}": { delete: {} },
  });
  const ids = Object.values(paths).flatMap((methods) => Object.values(methods).map(({ operationId }) => operationId));
  expect(new Set(ids).size).toBe(ids.length);
});

test("every reference in it leads somewhere", async () => {
  const { text, components } = await document();
  const references = [...text.matchAll(/"\$ref":"([^"]+)"/g)].map(([, reference]) => reference);
  expect(references.length).toBeGreaterThan(100);
  const known = Object.keys(components.schemas).map((name) => `#/components/schemas/${name}`);
  expect(references.filter((reference) => !known.includes(reference ?? ""))).toEqual([]);
});

test("the schema of a list leads to the definition of its type, for whoever may read", async () => {
  const token = await edge.token("blue", ["reader"]);
  for (const type of ["images", "files", "all"]) {
    const list = z.looseObject({ schema: z.string() });
    const { schema } = list.parse((await call(edge.port, "GET", `/artifacts/${type}`, { token })).json());
    const answer = await call(edge.port, "GET", schema, { token });
    expect([schema, answer.status]).toEqual([`/schemas/${type}`, 200]);
  }
  const { schemas } = z
    .looseObject({ schemas: z.record(z.string(), z.looseObject({ properties: z.record(z.string(), z.unknown()) })) })
    .parse((await call(edge.port, "GET", "/schemas", { token })).json());
  expect(Object.keys(schemas)).toEqual(["images", "files"]);
  expect(schemas.images?.properties).toMatchObject({
    disk_format: { mutable: false, required_on_activate: true },
    image: { glareType: "Blob", readOnly: true },
    mirrors: { glareType: "BlobDict" },
  });
  expect((await call(edge.port, "GET", "/schemas/none", { token })).status).toBe(404);
  expect((await call(edge.port, "GET", "/schemas")).status).toBe(401);
});
