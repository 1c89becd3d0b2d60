import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import type { PeerCredentials, RelayedFill, RelayHost } from "../../domain/peer.ts";
import { DENIAL, RELAY_FIELDS, RELAY_PATH, readRelayTarget } from "../../domain/relay-wire.ts";
import type { EdgeContext, EdgeEnv } from "../caller.ts";
import { bare, provedRequest } from "../peer-request.ts";
import { isFault } from "../problem.ts";
import { sendRelay } from "../send-relay.ts";

export interface RelayRoutePorts {
  readonly host: RelayHost;
  readonly credentials: PeerCredentials;
  /** This process, as its leases name it. */
  readonly self: string;
  /** Milliseconds after which a peer that takes no byte is ended. */
  readonly idleMs: number;
  /** Told of faults of our own; a peer hears only that there was one. */
  report(error: unknown): void;
}

/** Relays a fill of this process to another replica; what is not a replica hears nothing but 401. */
export function relayRoutes(ports: RelayRoutePorts): Hono<EdgeEnv> {
  const routes = new Hono<EdgeEnv>();
  routes.onError((error) => {
    if (isFault(error)) ports.report(error);
    return bare(503); // doubt: the peer asks again, or elsewhere
  });
  routes.get(RELAY_PATH, (context) => answer(ports, context));
  return routes;
}

async function answer(ports: RelayRoutePorts, context: EdgeContext): Promise<Response> {
  const { outgoing } = context.env;
  const request = provedRequest(context, ports.credentials);
  if (request === undefined) return bare(401);
  const asked = readRelayTarget(request.query);
  if (asked === undefined) return bare(400);
  const { vouch } = request;
  // A process that came before this one at the same address: its fills are gone.
  const own = asked.holder === ports.self;
  const { key, fence, offset, keep } = asked;
  const fill = own ? await whileConnected(context, (signal) => ports.host.find(key, fence, offset, signal)) : undefined;
  if (keep) fill?.keep();
  if (outgoing.destroyed) fill?.[Symbol.dispose]();
  if (outgoing.destroyed) return RESPONSE_ALREADY_SENT;
  if (fill === undefined) return bare(409, { [RELAY_FIELDS.proof]: vouch(DENIAL) });
  await sendRelay(outgoing, fill, { idleMs: ports.idleMs, vouch, report: ports.report });
  return RESPONSE_ALREADY_SENT;
}

/** undefined too when the peer has left: nobody is there to be told anything. */
async function whileConnected(
  { env: { outgoing } }: EdgeContext,
  find: (signal: AbortSignal) => Promise<RelayedFill | undefined>,
): Promise<RelayedFill | undefined> {
  const gone = new AbortController();
  const onClose = () => gone.abort(new Error("the peer has left"));
  outgoing.once("close", onClose);
  try {
    return await find(gone.signal);
  } catch (error) {
    if (gone.signal.aborted) return undefined;
    throw error;
  } finally {
    outgoing.off("close", onClose);
  }
}
