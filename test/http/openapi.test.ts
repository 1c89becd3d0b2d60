import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";

const DOCUMENT = z.looseObject({
  openapi: z.literal("3.1.0"),
  paths: z.record(z.string(), z.record(z.string(), z.looseObject({ operationId: z.string() }))),
  components: z.looseObject({ schemas: z.record(z.string(), z.unknown()) }),
});
let cistern: Embedded;

beforeAll(async () => {
  cistern = await startEmbedded();
});

afterAll(() => cistern[Symbol.asyncDispose]());

async function get(path: string, token: string | null) {
  const { status, headers, body } = await cistern.ask("GET", path, { token });
  return { status, headers, text: body.toString(), json: JSON.parse(body.toString()) as unknown };
}

async function document() {
  const { status, headers, text, json } = await get("/openapi.json", null);
  expect([status, headers["content-type"]]).toEqual([200, "application/json"]);
  return { text, ...DOCUMENT.parse(json) };
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
  const token = await cistern.token("blue", ["reader"]);
  for (const type of ["images", "files", "all"]) {
    const list = z.looseObject({ schema: z.string() });
    const { schema } = list.parse((await get(`/artifacts/${type}`, token)).json);
    const answer = await get(schema, token);
    expect([schema, answer.status]).toEqual([`/schemas/${type}`, 200]);
  }
  const { schemas } = z
    .looseObject({ schemas: z.record(z.string(), z.looseObject({ properties: z.record(z.string(), z.unknown()) })) })
    .parse((await get("/schemas", token)).json);
  expect(Object.keys(schemas)).toEqual(["images", "files"]);
  expect(schemas.images?.properties).toMatchObject({
    disk_format: { mutable: false, required_on_activate: true },
    image: { glareType: "Blob", readOnly: true },
    mirrors: { glareType: "BlobDict" },
  });
  expect((await get("/schemas/none", token)).status).toBe(404);
  expect((await get("/schemas", null)).status).toBe(401);
});
