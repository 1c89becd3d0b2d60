import { CisternError } from "../domain/errors.ts";
import type { FirstAnswers } from "../domain/first-answers.ts";
import type { Principal, Role } from "../domain/principal.ts";
import { answerOnce } from "./answer-once.ts";
import type { Authenticator } from "./authenticate.ts";
import { callerOf, type EdgeContext, errorHandler, methodNotAllowed } from "./caller.ts";
import { DescribedRoutes } from "./described-routes.ts";
import { expectedTags } from "./entity-tag.ts";
import type {
  Answer,
  AnswerHeaders,
  Description,
  Handler,
  Input,
  Method,
  Operation,
  ResponseShape,
} from "./operation.ts";
import { readBody, readParams, readQuery } from "./read-input.ts";
import type { Face } from "./render-problem.ts";

/** What every part of the API needs; a part's own ports extend it. */
export interface ApiPorts {
  readonly authenticator: Authenticator;
  /** How clients reach this deployment, without a slash at the end; undefined: links are paths. */
  readonly publicUrl: string | undefined;
  /** What creating requests with an `Idempotency-Key` were answered. */
  readonly answers: FirstAnswers;
  /** Told of faults of our own; a client hears only that there was one. */
  report(error: unknown): void;
}

/** A handler whose types were checked where it was registered. */
type Run = (input: Input<Description>) => Promise<Shaped>;

interface Shaped {
  readonly status: number;
  readonly body?: unknown;
  readonly headers?: AnswerHeaders;
}

interface Route {
  readonly operation: Operation;
  readonly run: Run;
}

const NOBODY: Principal = { tokenId: "anonymous", project: "", roles: [], address: "" };

/**
 * Typed operations: each is authenticated, parsed and answered as it describes itself, in this order:
 * 401, 403, path and query (400), `If-Match` (428), body (415, 413, 400, 422), handler.
 * Other methods of its path are 405; HEAD is GET without the body.
 */
export class Api {
  readonly #ports: ApiPorts;
  readonly #face: Face;
  readonly #routes: Route[] = [];

  constructor(ports: ApiPorts, face: Face = "problem-json") {
    this.#ports = ports;
    this.#face = face;
  }

  get<const D extends Description, const A extends Answer<D>>(
    path: string,
    description: D,
    handle: Handler<D, A>,
  ): this {
    return this.#add("get", path, description, handle);
  }

  put<const D extends Description, const A extends Answer<D>>(
    path: string,
    description: D,
    handle: Handler<D, A>,
  ): this {
    return this.#add("put", path, description, handle);
  }

  post<const D extends Description, const A extends Answer<D>>(
    path: string,
    description: D,
    handle: Handler<D, A>,
  ): this {
    return this.#add("post", path, description, handle);
  }

  patch<const D extends Description, const A extends Answer<D>>(
    path: string,
    description: D,
    handle: Handler<D, A>,
  ): this {
    return this.#add("patch", path, description, handle);
  }

  delete<const D extends Description, const A extends Answer<D>>(
    path: string,
    description: D,
    handle: Handler<D, A>,
  ): this {
    return this.#add("delete", path, description, handle);
  }

  /** Everything that was added, for a listener. */
  get routes(): DescribedRoutes {
    const routes = new DescribedRoutes(this.#routes.map(({ operation }) => operation));
    routes.onError(errorHandler(this.#face, (error) => this.#ports.report(error)));
    const byPath = Map.groupBy(this.#routes, ({ operation }) => operation.path);
    // A path without parameters is found before one that has them at the same place, as OpenAPI has it.
    for (const [path, own] of [...byPath].sort(([a], [b]) => (rank(a) < rank(b) ? -1 : 1))) {
      for (const route of own) {
        routes.on(route.operation.method.toUpperCase(), path, (context) => this.#answer(route, context));
      }
      routes.all(path, methodNotAllowed(this.#face, allowed(own)));
    }
    return routes;
  }

  #add(method: Method, path: string, description: Description, handle: unknown): this {
    const operation: Operation = { ...description, method, path, face: this.#face };
    // What the description promises of input and answer is what `#answer` parses: the types were checked by the caller.
    this.#routes.push({ operation, run: handle as Run });
    return this;
  }

  async #answer({ operation, run }: Route, context: EdgeContext): Promise<Response> {
    const principal = await this.#admit(operation.roles, context);
    const params = readParams(operation, context);
    const query = readQuery(operation, context);
    const ifMatch = expectedTags(operation.ifMatch, context.req.header("If-Match"));
    const { json, body } = await readBody(operation, context);
    const answer = async () => {
      const shaped = await run({ context, principal, params, query, body, ifMatch });
      return respond(shaped, operation.responses[shaped.status]);
    };
    return operation.creates === true ? answerOnce(this.#ports, context, json, answer) : answer();
  }

  async #admit(roles: readonly Role[] | "anyone", context: EdgeContext): Promise<Principal> {
    if (roles === "anyone") return NOBODY;
    const principal = await callerOf(context, this.#ports.authenticator);
    if (roles.some((role) => principal.roles.includes(role))) return principal;
    throw new CisternError("forbidden", `this needs the role ${roles.join(" or ")}`);
  }
}

function respond({ status, body, headers }: Shaped, shape: ResponseShape | undefined): Response {
  if (shape === undefined) throw new TypeError(`an operation answered ${status}, which it does not declare`);
  const common = { "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", ...headers };
  if (shape === null) return new Response(null, { status, headers: common });
  if (!("contentType" in shape)) return Response.json(body, { status, headers: common });
  if (typeof body !== "string" && !(body instanceof ReadableStream)) {
    throw new TypeError(`an operation answered no text or stream as ${shape.contentType}`);
  }
  return new Response(body, { status, headers: { "Content-Type": shape.contentType, ...common } });
}

const ORDER: readonly Method[] = ["get", "head", "post", "put", "patch", "delete"];

/** RFC 9110 §10.2.1. */
function allowed(routes: readonly Route[]): readonly string[] {
  const own = new Set(routes.map(({ operation }) => operation.method));
  if (own.has("get")) own.add("head");
  return ORDER.filter((method) => own.has(method)).map((method) => method.toUpperCase());
}

/** Sorts parameters behind any name. */
function rank(path: string): string {
  return path.replaceAll("/:", "/\u{10ffff}");
}
