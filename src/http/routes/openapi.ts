import { Api, type ApiPorts } from "../api.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { type DocumentOptions, openApiDocument } from "../openapi/document.ts";
import { media, type Operation } from "../operation.ts";
import { shaped } from "../wire-fields.ts";

const description = {
  summary: "This document",
  tags: ["about"],
  roles: "anyone",
  responses: { 200: media("application/json", shaped({ type: "object" })) },
} as const;

/** `/openapi.json`: the routes that run here, itself included, on every listener. */
export function openApiRoutes(
  ports: ApiPorts,
  operations: readonly Operation[],
  options: DocumentOptions,
): DescribedRoutes {
  // Anybody may ask as often as they like: it is made once.
  let made: string | undefined;
  const api = new Api(ports);
  const routes: DescribedRoutes = api.get("/openapi.json", description, async () => {
    made ??= JSON.stringify(openApiDocument([...operations, ...routes.operations], options));
    return { status: 200, body: made };
  }).routes;
  return routes;
}
