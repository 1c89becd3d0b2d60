import { Hono } from "hono";
import type { RecentAskers } from "../../cache/recent-askers.ts";
import { ASKERS_PATH, writeAskers } from "../../domain/askers-wire.ts";
import type { PeerCredentials } from "../../domain/peer.ts";
import { DENIAL, RELAY_FIELDS } from "../../domain/relay-wire.ts";
import type { EdgeContext, EdgeEnv } from "../caller.ts";
import { bare, provedRequest } from "../peer-request.ts";
import { isFault } from "../problem.ts";

export interface AskerRoutePorts {
  readonly askers: Pick<RecentAskers, "list">;
  readonly credentials: PeerCredentials;
  /** This process, as its heartbeats name it. */
  readonly self: string;
  /** Told of faults of our own; a peer hears only that there was one. */
  report(error: unknown): void;
}

/** Tells another replica who has asked this process lately; what is not a replica hears nothing but 401. */
export function askerRoutes(ports: AskerRoutePorts): Hono<EdgeEnv> {
  const routes = new Hono<EdgeEnv>();
  routes.onError((error) => {
    if (isFault(error)) ports.report(error);
    return bare(503);
  });
  routes.get(ASKERS_PATH, (context) => answer(ports, context));
  return routes;
}

function answer({ askers, credentials, self }: AskerRoutePorts, context: EdgeContext): Response {
  const request = provedRequest(context, credentials);
  if (request === undefined) return bare(401);
  const { query, vouch } = request;
  if (query.get("holder") !== self) return bare(409, { [RELAY_FIELDS.proof]: vouch(DENIAL) });
  const text = writeAskers(askers.list());
  const headers = {
    "Content-Type": "application/json",
    "Cache-Control": "no-store",
    [RELAY_FIELDS.proof]: vouch(text),
  };
  return new Response(text, { headers });
}
