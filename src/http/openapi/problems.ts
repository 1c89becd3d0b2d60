import type { ErrorCode } from "../../domain/errors.ts";
import type { Operation } from "../operation.ts";
import { statusOf, titleOf } from "../problem.ts";
import type { JsonShape } from "../wire-fields.ts";
import { errorCodes } from "./implied-errors.ts";
import type { Schemas } from "./schemas.ts";

const FIELD_PROBLEM: JsonShape = {
  type: "object",
  properties: {
    field: { type: "string", description: "Dotted path of the field: roles.0, query.limit, header.if-match" },
    rule: { type: "string", description: "The rule that it breaks, in words" },
  },
  required: ["field", "rule"],
  additionalProperties: false,
};
const EXTRAS: JsonShape = {
  origin: { type: "string", description: "Host and port of the origin that failed" },
  origin_status: { type: "integer", description: "HTTP status of the origin" },
};

/** The responses of an operation's errors, by status. */
export function problemResponses(operation: Operation, schemas: Schemas): Readonly<Record<string, unknown>> {
  const byStatus = Map.groupBy(errorCodes(operation), statusOf);
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [String(status), problemResponse(operation, status, codes, schemas)]),
  );
}

function problemResponse({ face }: Operation, status: number, codes: readonly ErrorCode[], schemas: Schemas): unknown {
  const known = schemas.add("FieldProblem", FIELD_PROBLEM);
  const errors = { type: "array", items: known, description: "Every rule of the input that is broken" };
  const code = { enum: [...codes].sort() };
  const [type, schema] =
    face === "problem-json"
      ? ["application/problem+json", told(schemas.add("Problem", problem(errors)), { code, status: { const: status } })]
      : [
          "application/json",
          told(schemas.add("OpenStackProblem", openStackProblem(errors)), openStackCode(code, status)),
        ];
  return {
    description: `${titleOf(status)}: ${[...codes].sort().join(", ")}`,
    headers: problemHeaders(status),
    content: { [type]: { schema } },
  };
}

function told(base: JsonShape, properties: JsonShape): JsonShape {
  return { allOf: [base, { properties }] };
}

function openStackCode(code: JsonShape, status: number): JsonShape {
  return { code: { const: status }, error: { properties: { code } } };
}

function problemHeaders(status: number): JsonShape {
  if (status === 401) return { "WWW-Authenticate": { required: true, schema: { type: "string" } } };
  const retry = { description: "Seconds after which trying again may help", schema: { type: "string" } };
  return status === 429 || status === 503 || status === 409 ? { "Retry-After": retry } : {};
}

/** RFC 9457. */
function problem(errors: JsonShape): JsonShape {
  return {
    type: "object",
    properties: {
      type: { const: "about:blank" },
      title: { type: "string" },
      status: { type: "integer" },
      detail: { type: "string" },
      code: { type: "string", description: "Stable: what programs go by" },
      errors,
      ...EXTRAS,
    },
    required: ["type", "title", "status", "detail", "code"],
  };
}

function openStackProblem(errors: JsonShape): JsonShape {
  const error = {
    type: "object",
    properties: { message: { type: "string" }, type: { type: "string" }, code: { type: "string" } },
    required: ["message", "type", "code"],
  };
  return {
    type: "object",
    properties: {
      code: { type: "integer" },
      title: { type: "string" },
      explanation: { type: "string" },
      error,
      errors,
      ...EXTRAS,
    },
    required: ["code", "title", "explanation", "error"],
  };
}
