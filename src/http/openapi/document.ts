import type { Media, Operation, ResponseShape } from "../operation.ts";
import type { JsonShape } from "../wire-fields.ts";
import { parametersOf } from "./parameters.ts";
import { problemResponses } from "./problems.ts";
import { Schemas } from "./schemas.ts";

export interface DocumentOptions {
  readonly version: string;
  /** How clients reach this deployment; undefined: where the document was got. */
  readonly publicUrl: string | undefined;
}

const DESCRIPTION =
  "A caching pull-through proxy for artifacts. `/artifacts` is Glare's API (v1), `/v1` is the operators'. " +
  "Bytes are integers, times UTC, durations ISO 8601. Unknown fields of a body are 422, unknown parameters 400; " +
  "other methods than these are 405.";
const SECURITY_SCHEMES = {
  bearer: { type: "http", scheme: "bearer" },
  token: { type: "apiKey", in: "header", name: "X-Auth-Token" },
  basic: { type: "http", scheme: "basic", description: "Any user name; the token is the password" },
};
const STATUS_WORDS: Readonly<Record<number, string>> = {
  200: "OK",
  201: "Created",
  202: "Accepted",
  204: "Done, and there is nothing to show",
  206: "A part of it",
  302: "It is elsewhere",
  303: "It is elsewhere",
  304: "It has not changed",
  307: "It is elsewhere",
  503: "Not now",
};

/** The OpenAPI 3.1 document of these operations. */
export function openApiDocument(operations: readonly Operation[], options: DocumentOptions): JsonShape {
  const schemas = new Schemas();
  const byPath = Map.groupBy(operations, ({ path }) => path.replace(/:(\w+)/g, "{$1}"));
  const paths = [...byPath]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([path, own]) => [path, Object.fromEntries(own.map((one) => [one.method, operationObject(one, schemas)]))]);
  return {
    openapi: "3.1.0",
    info: {
      title: "Cistern",
      version: options.version,
      description: DESCRIPTION,
      license: { name: "Apache-2.0", identifier: "Apache-2.0" },
    },
    servers: [{ url: options.publicUrl ?? "/" }],
    security: Object.keys(SECURITY_SCHEMES).map((name) => ({ [name]: [] })),
    paths: Object.fromEntries(paths),
    components: { securitySchemes: SECURITY_SCHEMES, schemas: schemas.components },
  };
}

function operationObject(operation: Operation, schemas: Schemas): JsonShape {
  const { summary, description, tags, roles } = operation;
  const parameters = parametersOf(operation, schemas);
  const needed = roles === "anyone" ? "Anybody may ask." : `Needs the role ${roles.join(" or ")}.`;
  return {
    operationId: idOf(operation),
    summary,
    description: description === undefined ? needed : `${description}\n\n${needed}`,
    tags,
    ...(roles === "anyone" ? { security: [] } : {}),
    ...(parameters.length === 0 ? {} : { parameters }),
    ...requestBody(operation, schemas),
    responses: { ...problemResponses(operation, schemas), ...answers(operation, schemas) },
  };
}

function requestBody(
  { body, bodyTypes = ["application/json"], byteBodies = [] }: Operation,
  schemas: Schemas,
): JsonShape {
  if (body === undefined && byteBodies.length === 0) return {};
  const json = body === undefined ? [] : bodyTypes.map((type) => [type, { schema: schemas.of(body, "input") }]);
  const content = Object.fromEntries([...json, ...byteBodies.map((type) => [type, {}])]);
  return {
    requestBody: { required: byteBodies.length === 0 && body?.safeParse(undefined).success === false, content },
  };
}

function answers(operation: Operation, schemas: Schemas): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(operation.responses).map(([status, shape]) => [
      status,
      {
        description: STATUS_WORDS[Number(status)] ?? "Answered",
        headers: answerHeaders(operation, Number(status)),
        ...(shape === null ? {} : { content: contentOf(shape, schemas) }),
      },
    ]),
  );
}

function contentOf(shape: Exclude<ResponseShape, null>, schemas: Schemas): JsonShape {
  const all = isMedia(shape) ? [shape] : isList(shape) ? shape : [{ contentType: "application/json", schema: shape }];
  return Object.fromEntries(
    all.map(({ contentType, schema }) => [
      contentType.replace(/;.*/, ""),
      schema === undefined ? {} : { schema: schemas.of(schema, "output") },
    ]),
  );
}

function isMedia(shape: Exclude<ResponseShape, null>): shape is Media {
  return "contentType" in shape;
}

function isList(shape: Exclude<ResponseShape, null>): shape is readonly Media[] {
  return Array.isArray(shape);
}

function answerHeaders({ etag, ifMatch, creates }: Operation, status: number): JsonShape {
  const tagged = (etag === true || ifMatch !== undefined) && status < 400 && status !== 204;
  return {
    ...(tagged ? { ETag: { schema: { type: "string" }, required: true } } : {}),
    ...(creates === true && status === 201 ? { Location: { schema: { type: "string" }, required: true } } : {}),
  };
}

/** Unique, for generators of clients: `getV1TokensById`. */
function idOf({ method, path }: Operation): string {
  const words = path.split(/[/.-]/).map((part) => (part.startsWith(":") ? `by_${part.slice(1)}` : part));
  return (
    method +
    words
      .flatMap((word) => word.split("_"))
      .map((word) => word.charAt(0).toUpperCase() + word.slice(1))
      .join("")
  );
}
