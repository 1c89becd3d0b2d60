import { Hono } from "hono";
import { createToken, listTokens, revokeToken, type TokenPorts } from "../../artifact/tokens.ts";
import { CisternError } from "../../domain/errors.ts";
import { FieldProblems } from "../../domain/field-problems.ts";
import type { TokenId } from "../../domain/token.ts";
import type { Authenticator } from "../authenticate.ts";
import { readJson } from "../body.ts";
import { callerOf, type EdgeEnv, errorHandler, methodNotAllowed } from "../caller.ts";
import { parseLimit, singleParameters } from "../list-query.ts";
import { parseTokenRequest } from "../token-body.ts";
import { tokenView } from "../token-view.ts";

export interface TokenRoutePorts extends TokenPorts {
  readonly authenticator: Authenticator;
  /** How clients reach this deployment, without a slash at the end; undefined: links are paths. */
  readonly publicUrl: string | undefined;
  /** Told of faults of our own; a client hears only that there was one. */
  report(error: unknown): void;
}

const DEFAULT_LIMIT = 100;
const PARAMETERS: ReadonlySet<string> = new Set(["limit", "after"]);
const TOKEN_ID = /^[0-9A-Za-z._-]{1,64}$/;

/** `/v1/tokens`: create, list, revoke. */
export function tokenRoutes(ports: TokenRoutePorts): Hono<EdgeEnv> {
  const routes = new Hono<EdgeEnv>();
  routes.onError(errorHandler("problem-json", (error) => ports.report(error)));
  routes.post("/v1/tokens", async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    const body = await readJson(c.env.incoming, ["application/json"]);
    const { token, secret } = await createToken(ports, principal, parseTokenRequest(body, ports.clock.now()));
    c.header("Location", `${ports.publicUrl ?? ""}/v1/tokens/${token.id}`);
    c.header("Cache-Control", "no-store");
    return c.json({ ...tokenView(token), token: secret }, 201);
  });
  routes.get("/v1/tokens", async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    const { limit, after } = parseTokenQuery(new URL(c.req.url).searchParams);
    const page = await listTokens(ports, principal, limit, after);
    const last = page.tokens.at(-1);
    const next = page.more && last !== undefined ? `/v1/tokens?limit=${limit}&after=${last.id}` : null;
    c.header("Cache-Control", "no-store");
    return c.json({ tokens: page.tokens.map(tokenView), next });
  });
  routes.all("/v1/tokens", methodNotAllowed("problem-json", ["GET", "HEAD", "POST"]));
  routes.delete("/v1/tokens/:id", async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    return c.json(tokenView(await revokeToken(ports, principal, parseTokenId(c.req.param("id")))));
  });
  routes.all("/v1/tokens/:id", methodNotAllowed("problem-json", ["DELETE"]));
  return routes;
}

function parseTokenId(text: string): TokenId {
  if (TOKEN_ID.test(text)) return text as TokenId;
  throw new CisternError("token-not-found", "there is no such token", {
    fields: [{ field: "path.id", rule: "must be the id of a token" }],
  });
}

function parseTokenQuery(parameters: URLSearchParams): { limit: number; after: TokenId | undefined } {
  const problems = new FieldProblems();
  const given = singleParameters(parameters, PARAMETERS, problems);
  const text = given.get("limit");
  const limit = text === undefined ? DEFAULT_LIMIT : problems.take(() => parseLimit(text, "query.limit"));
  const after = given.get("after");
  if (after !== undefined && !TOKEN_ID.test(after)) problems.add("query.after", "must be the id of a token");
  problems.throwIfAny();
  return { limit: limit ?? DEFAULT_LIMIT, after: after as TokenId | undefined };
}
