import { z } from "zod";
import { createToken, listTokens, revokeToken, type TokenPorts } from "../../artifact/tokens.ts";
import { invalid } from "../../domain/errors.ts";
import type { TokenId } from "../../domain/token.ts";
import { Api, type ApiPorts } from "../api.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { nextPage, pageOf, pageQuery } from "../pages.ts";
import { tokenBody, tokenRequest } from "../token-body.ts";
import { createdTokenShape, tokenShape, tokenView } from "../token-view.ts";
import { parsed } from "../wire-fields.ts";

export interface TokenRoutePorts extends TokenPorts, ApiPorts {}

const TOKEN_ID = /^[0-9A-Za-z._-]{1,64}$/;
const tokenId = parsed({ type: "string", pattern: TOKEN_ID.source }, (value, field): TokenId => {
  if (typeof value === "string" && TOKEN_ID.test(value)) return value as TokenId;
  throw invalid(field, "must be the id of a token");
});
const tags = ["tokens"];

/** `/v1/tokens`: create, list, revoke. */
export function tokenRoutes(ports: TokenRoutePorts): DescribedRoutes {
  const create = {
    summary: "Makes a token; its secret is shown this once",
    tags,
    roles: ["admin"],
    body: tokenBody,
    creates: true,
    responses: { 201: createdTokenShape },
  } as const;
  const list = {
    summary: "Lists tokens, without their secrets, in the order of their creation",
    tags,
    roles: ["admin", "auditor"],
    query: z.strictObject({ ...pageQuery, after: tokenId.optional() }),
    responses: { 200: pageOf("tokens", tokenShape) },
  } as const;
  const revoke = {
    summary: "Revokes a token at once; revoking it again is no error",
    tags,
    roles: ["admin"],
    params: { id: tokenId },
    responses: { 200: tokenShape },
    errors: ["conflict"],
    notFound: "token-not-found",
  } as const;
  return new Api(ports)
    .post("/v1/tokens", create, async ({ principal, body }) => {
      const { token, secret } = await createToken(ports, principal, tokenRequest(body, ports.clock.now()));
      const headers = { Location: `${ports.publicUrl ?? ""}/v1/tokens/${token.id}` };
      return { status: 201, headers, body: { ...tokenView(token), token: secret } };
    })
    .get("/v1/tokens", list, async ({ context, principal, query: { limit, after } }) => {
      const page = await listTokens(ports, principal, limit, after);
      const next = nextPage(context, page.more ? page.tokens.at(-1)?.id : undefined);
      return { status: 200, body: { tokens: page.tokens.map(tokenView), next } };
    })
    .delete("/v1/tokens/:id", revoke, async ({ principal, params }) => ({
      status: 200,
      body: tokenView(await revokeToken(ports, principal, params.id)),
    })).routes;
}
