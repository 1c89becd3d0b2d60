import { z } from "zod";
import type { Operation } from "../operation.ts";
import type { JsonShape } from "../wire-fields.ts";
import type { Schemas } from "./schemas.ts";

const OBJECT = z.looseObject({
  properties: z.record(z.string(), z.record(z.string(), z.unknown())).default({}),
  required: z.array(z.string()).default([]),
});
const IF_MATCH = {
  type: "string",
  pattern: '^(\\*|(W/)?"[\\x21\\x23-\\x7e]*"(\\s*,\\s*(W/)?"[\\x21\\x23-\\x7e]*")*)$',
  maxLength: 1024,
};
const IDEMPOTENCY_KEY = { type: "string", pattern: "^[\\x21-\\x7e]{1,255}$" };

/** What an operation takes in its path, its query and its headers. */
export function parametersOf(operation: Operation, schemas: Schemas): readonly JsonShape[] {
  const { params = {}, query, ifMatch, creates, path } = operation;
  const named = new Set([...path.matchAll(/:(\w+)/g)].map(([, name]) => name));
  const inPath = Object.entries(params).map(([name, schema]) => {
    if (!named.has(name)) throw new TypeError(`${path} has no parameter ${name}`);
    return parameter("path", name, true, schemas.of(schema, "input"));
  });
  if (inPath.length !== named.size) throw new TypeError(`${path} has a parameter that is not described`);
  return [
    ...inPath,
    ...(query === undefined ? [] : inQuery(query, schemas)),
    ...(ifMatch === undefined ? [] : [ifMatchHeader(ifMatch === "required")]),
    ...(creates === true ? [idempotencyKey()] : []),
  ];
}

function inQuery(query: z.ZodObject, schemas: Schemas): readonly JsonShape[] {
  const { properties, required } = OBJECT.parse(schemas.of(query, "input"));
  return Object.entries(properties).map(([name, schema]) => parameter("query", name, required.includes(name), schema));
}

function parameter(place: "path" | "query", name: string, required: boolean, schema: JsonShape): JsonShape {
  return { name, in: place, required, schema };
}

function ifMatchHeader(required: boolean): JsonShape {
  const description = "The ETag of what the caller has seen: what has changed since is not changed again";
  return { name: "If-Match", in: "header", required, description, schema: IF_MATCH };
}

function idempotencyKey(): JsonShape {
  const description =
    "Random, one for each thing that is to be made: the same request again is answered the same for 24 h";
  return { name: "Idempotency-Key", in: "header", required: false, description, schema: IDEMPOTENCY_KEY };
}
