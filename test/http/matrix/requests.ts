import { randomUUID } from "node:crypto";
import { LOCATION_TYPE, PATCH_TYPE } from "../call.ts";
import { type Bytes, type Place, tomorrow } from "./place.ts";

/** What is sent to a route. */
export interface Sent {
  readonly path: string;
  readonly type?: string;
  readonly json?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
}

export interface Needs {
  readonly bytes: Bytes;
  /** Makes a token to be revoked; answers its id. */
  token(): Promise<string>;
  /** Queues a fetch of the place. */
  fill(place: Place): Promise<string>;
}

interface Asked {
  /** The place is changed by it: each caller gets one of its own. */
  readonly changes?: boolean;
  /** A list: what has to be in it. */
  readonly lists?: "artifact" | "fill";
  readonly send: (place: Place, needs: Needs) => Sent | Promise<Sent>;
}

const SHA256 = "ab".repeat(32);
const REASON = { reason: "test" };
const tokenBody = () => ({ name: "t", project: "blue", roles: ["reader"] });
const plain = (path: string, json?: unknown): Asked => ({
  send: () => (json === undefined ? { path } : { path, json }),
});
const patch = [{ op: "replace", path: "/description", value: "changed" }];
const putBlob = (blob: string): Asked => ({
  changes: true,
  send: ({ path }, { bytes }) => ({
    path: `${path}/${blob}`,
    type: LOCATION_TYPE,
    json: bytes,
    headers: { "If-Match": "*" },
  }),
});
const blob = (name: string): Asked => ({ send: ({ path }) => ({ path: `${path}/${name}` }) });
const changed = (asked: Asked): Asked => ({ ...asked, changes: true });

/** Routes of which nothing but the path matters are not here. */
const REQUESTS: Readonly<Record<string, Asked>> = {
  "GET /schemas/{type}": plain("/schemas/images"),
  "GET /artifacts/{type}": { lists: "artifact", send: () => ({ path: "/artifacts/files?limit=1000" }) },
  "POST /artifacts/{type}": { send: () => ({ path: "/artifacts/files", json: { name: `made-${randomUUID()}` } }) },
  "GET /artifacts/{type}/{id}": { send: ({ path }) => ({ path }) },
  "PATCH /artifacts/{type}/{id}": changed({ send: ({ path }) => ({ path, type: PATCH_TYPE, json: patch }) }),
  "DELETE /artifacts/{type}/{id}": changed({ send: ({ path }) => ({ path }) }),
  "GET /artifacts/{type}/{id}/{field}": blob("file"),
  "HEAD /artifacts/{type}/{id}/{field}": blob("file"),
  "PUT /artifacts/{type}/{id}/{field}": putBlob("file"),
  "DELETE /artifacts/{type}/{id}/{field}": changed(blob("file")),
  "GET /artifacts/{type}/{id}/{field}/{key}": blob("mirrors/a"),
  "HEAD /artifacts/{type}/{id}/{field}/{key}": blob("mirrors/a"),
  "PUT /artifacts/{type}/{id}/{field}/{key}": putBlob("mirrors/a"),
  "DELETE /artifacts/{type}/{id}/{field}/{key}": changed(blob("mirrors/a")),
  "GET /v1/fills": { lists: "fill", send: () => ({ path: "/v1/fills?limit=1000&state=queued" }) },
  "POST /v1/fills": changed({
    send: ({ id }) => ({ path: "/v1/fills", json: { artifact: id, not_before: tomorrow() } }),
  }),
  "GET /v1/fills/{id}": { send: async (place, { fill }) => ({ path: `/v1/fills/${await fill(place)}` }) },
  "DELETE /v1/fills/{id}": changed({ send: async (place, { fill }) => ({ path: `/v1/fills/${await fill(place)}` }) }),
  "PUT /quotas": plain("/quotas", []),
  "GET /project-quotas/{project}": plain("/project-quotas/blue"),
  "POST /v1/tokens": plain("/v1/tokens", tokenBody()),
  "DELETE /v1/tokens/{id}": { send: async (_, { token }) => ({ path: `/v1/tokens/${await token()}` }) },
  "PUT /v1/policies": plain("/v1/policies", {}),
  "POST /v1/policies/explain": {
    send: ({ id }) => ({ path: "/v1/policies/explain", json: { artifact: { type: "files", id, blob: "file" } } }),
  },
  "PUT /v1/capacity": plain("/v1/capacity", {}),
  "PUT /v1/contents/{sha256}/pin": plain(`/v1/contents/${SHA256}/pin`, REASON),
  // Of other bytes than the other routes of a block are asked about.
  "PUT /v1/contents/{sha256}/block": plain(`/v1/contents/${"cd".repeat(32)}/block`, REASON),
  "POST /v1/purges": plain("/v1/purges?dry_run=true", { origin: "nowhere.example" }),
};

const PARAMETERS: Readonly<Record<string, string>> = {
  sha256: SHA256,
  version: "999999",
  id: "00000000-0000-4000-8000-000000000009",
};

/** What is asked of a route: what is written above, else its path with values that nothing has. */
export function requestOf(route: string): Asked {
  const path = route.split(" ")[1] ?? "";
  return REQUESTS[route] ?? plain(path.replace(/\{(\w+)\}/g, (_, name: string) => PARAMETERS[name] ?? name));
}
