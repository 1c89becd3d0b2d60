import { type CreatePorts, createArtifact } from "../../artifact/create.ts";
import { listArtifacts } from "../../artifact/list.ts";
import { type RemovePorts, removeArtifact, removeLocation } from "../../artifact/remove.ts";
import { type SetLocationPorts, setLocation } from "../../artifact/set-location.ts";
import { showArtifact } from "../../artifact/show.ts";
import { type UpdatePorts, updateArtifact } from "../../artifact/update.ts";
import { type UploadPorts, uploadBlob } from "../../artifact/upload.ts";
import type { Artifact } from "../../domain/artifact.ts";
import type { ArtifactPage } from "../../domain/artifact-catalog.ts";
import type { ArtifactType } from "../../domain/artifact-type.ts";
import { findArtifactType } from "../../domain/builtin-types.ts";
import { evaluate } from "../../domain/precondition.ts";
import { artifactPath, artifactView } from "../artifact-view.ts";
import type { Authenticator } from "../authenticate.ts";
import { parseNamedBlob, parsePathId, parseType } from "../blob-path.ts";
import { mediaType, readJson } from "../body.ts";
import { callerOf, type EdgeContext, errorHandler, methodNotAllowed } from "../caller.ts";
import { DescribedRoutes } from "../described-routes.ts";
import { entityTag, parseIfMatch } from "../entity-tag.ts";
import { incomingUpload } from "../incoming-upload.ts";
import { parseListQuery } from "../list-query.ts";
import { ARTIFACT_OPERATIONS } from "./artifact-operations.ts";

/** What the artifact API needs: the ports of its use cases, and who is asking. */
export interface ArtifactRoutePorts extends CreatePorts, UpdatePorts, SetLocationPorts, UploadPorts, RemovePorts {
  readonly authenticator: Authenticator;
  /** How clients reach this deployment, without a slash at the end; undefined: links are paths. */
  readonly publicUrl: string | undefined;
  /** Told of faults of our own; a client hears only that there was one. */
  report(error: unknown): void;
}

const JSON_TYPE = "application/json";
const PATCH_TYPE = "application/json-patch+json";
const LOCATION_TYPE = "application/vnd+openstack.glare-custom-location+json";
const BLOB = ["/artifacts/:type/:id/:field", "/artifacts/:type/:id/:field/:key"] as const;

/**
 * The artifact API (Glare v1): everything under `/artifacts` but GET and HEAD of a blob, which pass
 * through to the next route.
 */
export function artifactRoutes(ports: ArtifactRoutePorts): DescribedRoutes {
  const routes = new DescribedRoutes(ARTIFACT_OPERATIONS);
  routes.onError(errorHandler("openstack", (error) => ports.report(error)));
  collection(routes, ports);
  single(routes, ports);
  for (const path of BLOB) blob(routes, path, ports);
  return routes;
}

function collection(routes: DescribedRoutes, ports: ArtifactRoutePorts): void {
  const path = "/artifacts/:type";
  routes.get(path, async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    const name = c.req.param("type");
    const type = name === "all" ? undefined : parseType(name);
    const parameters = new URL(c.req.url).searchParams;
    const query = { ...parseListQuery(parameters), type: type?.name };
    c.header("Cache-Control", "private, no-cache");
    return c.json(pageView(type, await listArtifacts(ports, principal, query), parameters));
  });
  routes.post(path, async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    const type = parseType(c.req.param("type"));
    const body = await readJson(c.env.incoming, [JSON_TYPE]);
    const artifact = await createArtifact(ports, principal, type, body);
    c.header("Location", `${ports.publicUrl ?? ""}${artifactPath(type, artifact)}`);
    return shown(c, type, artifact, 201);
  });
  routes.all(path, methodNotAllowed("openstack", ["GET", "HEAD", "POST"]));
}

function single(routes: DescribedRoutes, ports: ArtifactRoutePorts): void {
  const path = "/artifacts/:type/:id";
  routes.get(path, async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    const { type, id } = named(c);
    const artifact = await showArtifact(ports, principal, { type: type.name, id });
    const verdict = evaluate(conditionals(c), { etag: entityTag(artifact), lastModified: undefined });
    if (verdict !== "not-modified") return shown(c, type, artifact);
    c.header("ETag", entityTag(artifact));
    return c.body(null, 304);
  });
  routes.patch(path, async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    const { type, id } = named(c);
    const expected = parseIfMatch(c.req.header("If-Match"));
    const body = await readJson(c.env.incoming, [PATCH_TYPE]);
    const name = { type: type.name, id };
    return shown(c, type, await updateArtifact(ports, principal, type, name, body, expected));
  });
  routes.delete(path, async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    const { type, id } = named(c);
    await removeArtifact(ports, principal, { type: type.name, id }, parseIfMatch(c.req.header("If-Match")));
    return c.body(null, 204);
  });
  routes.all(path, methodNotAllowed("openstack", ["GET", "HEAD", "PATCH", "DELETE"]));
}

function blob(routes: DescribedRoutes, path: (typeof BLOB)[number], ports: ArtifactRoutePorts): void {
  routes.put(path, async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    const blobOf = namedBlob(c);
    const expected = parseIfMatch(c.req.header("If-Match"));
    if (mediaType(c.env.incoming) === LOCATION_TYPE) {
      const body = await readJson(c.env.incoming, [LOCATION_TYPE]);
      return shown(c, blobOf.type, await setLocation(ports, principal, blobOf, body, expected));
    }
    using upload = incomingUpload(c.env);
    return shown(c, blobOf.type, await uploadBlob(ports, principal, blobOf, upload, expected, upload.signal));
  });
  routes.delete(path, async (c) => {
    const principal = await callerOf(c, ports.authenticator);
    const blobOf = namedBlob(c);
    const expected = parseIfMatch(c.req.header("If-Match"));
    return shown(c, blobOf.type, await removeLocation(ports, principal, blobOf, expected));
  });
  const refuse = methodNotAllowed("openstack", ["GET", "HEAD", "PUT", "DELETE"]);
  routes.all(path, async (c, next) => {
    if (c.req.method === "GET" || c.req.method === "HEAD") return next();
    return refuse();
  });
}

function named(c: EdgeContext) {
  return { type: parseType(c.req.param("type") ?? ""), id: parsePathId(c.req.param("id") ?? "") };
}

function namedBlob(c: EdgeContext) {
  const { type = "", id = "", field = "", key } = c.req.param() as Record<string, string | undefined>;
  return parseNamedBlob(type, id, field, key);
}

function shown(c: EdgeContext, type: ArtifactType, artifact: Artifact, status: 200 | 201 = 200): Response {
  c.header("ETag", entityTag(artifact));
  c.header("Cache-Control", "private, no-cache");
  return c.json(artifactView(type, artifact), status);
}

function conditionals(c: EdgeContext) {
  return {
    ifNoneMatch: c.req.header("If-None-Match"),
    ifModifiedSince: undefined,
    ifMatch: undefined,
    ifUnmodifiedSince: undefined,
    ifRange: undefined,
  };
}

function pageView(type: ArtifactType | undefined, page: ArtifactPage, parameters: URLSearchParams): unknown {
  const name = type?.name ?? "all";
  const link = (marker: string | undefined) => {
    const query = new URLSearchParams(parameters);
    query.delete("marker");
    if (marker !== undefined) query.set("marker", marker);
    return `/artifacts/${name}${query.size === 0 ? "" : `?${query}`}`;
  };
  const last = page.artifacts.at(-1);
  return {
    artifacts: page.artifacts.flatMap((artifact) => {
      const own = findArtifactType(artifact.type);
      return own === undefined ? [] : [artifactView(own, artifact)];
    }),
    first: link(undefined),
    ...(page.more && last !== undefined ? { next: link(last.id) } : {}),
    schema: `/schemas/${name}`,
    type_name: name,
    display_type_name: type?.displayName ?? "All Artifacts",
    total_count: page.total,
  };
}
