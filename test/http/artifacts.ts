import { randomUUID } from "node:crypto";
import { type Answer, artifactOf, call, LOCATION_TYPE, PATCH_TYPE } from "./call.ts";
import type { Edge } from "./edge.ts";

/** Creates an image that only its blob is missing of; answers its path. */
export async function someImage(edge: Edge, token: string, members: Record<string, unknown> = {}): Promise<string> {
  const json = { name: `image-${randomUUID()}`, container_format: "bare", disk_format: "qcow2", ...members };
  const created = artifactOf(await call(edge.port, "POST", "/artifacts/images", { token, json }));
  return `/artifacts/images/${created.id}`;
}

export function putLocation(edge: Edge, token: string, path: string, json: unknown, ifMatch?: string): Promise<Answer> {
  const headers = { "Content-Type": LOCATION_TYPE, ...(ifMatch === undefined ? {} : { "If-Match": ifMatch }) };
  return call(edge.port, "PUT", path, { token, json, headers });
}

export function patch(edge: Edge, token: string, path: string, ...operations: unknown[]): Promise<Answer> {
  return call(edge.port, "PATCH", path, { token, json: operations, headers: { "Content-Type": PATCH_TYPE } });
}

export function replace(edge: Edge, token: string, path: string, member: string, value: unknown): Promise<Answer> {
  return patch(edge, token, path, { op: "replace", path: `/${member}`, value });
}

/** An active image with this location. */
export async function activeImage(edge: Edge, token: string, location: unknown): Promise<string> {
  const path = await someImage(edge, token);
  artifactOf(await putLocation(edge, token, `${path}/image`, location));
  artifactOf(await replace(edge, token, path, "status", "active"));
  return path;
}
