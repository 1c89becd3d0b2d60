import { z } from "zod";
import type { ArtifactType } from "../../domain/artifact-type.ts";
import { artifactTypes } from "../../domain/builtin-types.ts";
import { invalid } from "../../domain/errors.ts";
import { ROLES } from "../../domain/principal.ts";
import { Api, type ApiPorts } from "../api.ts";
import { artifactSchema } from "../artifact-schema.ts";
import type { DescribedRoutes } from "../described-routes.ts";
import { parsed, shaped } from "../wire-fields.ts";

const typesNamed = parsed({ enum: ["all", ...artifactTypes().map(({ name }) => name)] }, (value, field) => {
  const types = artifactTypes().filter(({ name }) => value === "all" || name === value);
  if (types.length === 0) throw invalid(field, "must be the name of an artifact type");
  return types;
});
const answer = z.object({ schemas: z.record(z.string(), shaped({ type: "object" })) });

/** `/schemas`: JSON schemas of the artifact types, made from their definitions. */
export function schemaRoutes(ports: ApiPorts): DescribedRoutes {
  const common = { tags: ["schemas"], roles: ROLES, responses: { 200: answer } } as const;
  const all = { ...common, summary: "JSON schemas of all artifact types" } as const;
  const one = {
    ...common,
    summary: "The JSON schema of an artifact type; `all` answers every one",
    params: { type: typesNamed },
    notFound: "type-not-found",
  } as const;
  return new Api(ports, "openstack")
    .get("/schemas", all, async () => ({ status: 200, body: schemasOf(artifactTypes()) }))
    .get("/schemas/:type", one, async ({ params }) => ({ status: 200, body: schemasOf(params.type) })).routes;
}

function schemasOf(types: readonly ArtifactType[]) {
  return { schemas: Object.fromEntries(types.map((type) => [type.name, artifactSchema(type)])) };
}
