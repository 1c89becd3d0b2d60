import { expect, test } from "vitest";
import { Conforming, type Seen } from "./conforming.ts";

const problem = { "application/problem+json": {} };
const conforming = new Conforming({
  paths: {
    "/things/{id}": {
      get: {
        responses: {
          200: {
            headers: { ETag: { required: true } },
            content: { "application/json": { schema: { $ref: "#/components/schemas/Thing" } } },
          },
          404: { content: problem },
        },
      },
    },
    "/things/all": { get: { responses: { 204: {} } } },
  },
  components: {
    schemas: { Thing: { type: "object", required: ["id"], additionalProperties: false, properties: { id: {} } } },
  },
});
const headers = { "content-type": "application/json", etag: '"r1"' };
const GOOD: Seen = { method: "GET", path: "/things/7?a=b", status: 200, headers, length: 8, text: () => '{"id":7}' };

test.each<[string, Partial<Seen>]>([
  ["as it says", {}],
  ["a HEAD", { method: "HEAD", length: 0 }],
  ["another method", { method: "PUT", status: 405, headers: { allow: "GET", "content-type": "application/json" } }],
  ["another path", { path: "/other", status: 404, headers: { "content-type": "application/json" }, text: () => "{}" }],
  ["a path of its own", { path: "/things/all", status: 204, headers: {}, length: 0 }],
])("lets pass: %s", (_, change) => {
  expect(conforming.objection({ ...GOOD, ...change })).toBeUndefined();
});

test.each<[string, Partial<Seen>, string]>([
  ["another status", { status: 201 }, "201 is not a status"],
  ["another type", { headers: { ...headers, "content-type": "text/html" } }, "its type is text/html"],
  ["a missing header", { headers: { "content-type": "application/json" } }, "it has no ETag"],
  ["a missing member", { text: () => "{}" }, "its body is not of the schema"],
  ["a member too many", { text: () => '{"id":7,"more":1}' }, "its body is not of the schema"],
  ["a body of a HEAD", { method: "HEAD" }, "a HEAD with a body"],
  ["a body where there is none", { path: "/things/all", status: 204, headers: {} }, "a body where there is none"],
  ["a 405 without Allow", { method: "PUT", status: 405 }, "405 without Allow"],
  ["anything but 404 elsewhere", { path: "/other" }, "200, where there is no operation"],
])("objects to %s", (_, change, objection) => {
  expect(conforming.objection({ ...GOOD, ...change })).toContain(objection);
});
