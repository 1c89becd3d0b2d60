import { createServer as createHttpServer, type RequestListener, type Server } from "node:http";
import { createServer as createHttpsServer } from "node:https";
import { getRequestListener } from "@hono/node-server";
import { Hono } from "hono";
import type { RelayHost } from "../../src/domain/peer.ts";
import type { RecentAsker } from "../../src/domain/recent-asker.ts";
import { type EdgeEnv, pathNotFound } from "../../src/http/caller.ts";
import { askerRoutes } from "../../src/http/routes/askers.ts";
import { relayRoutes } from "../../src/http/routes/relay.ts";
import { SharedSecret } from "../../src/origin/peer/shared-secret.ts";
import { certificate, privateKey } from "./fault-origin/certificate.ts";

export const SECRET = "a secret of tests, that nothing else has";

export interface RelayServer extends AsyncDisposable {
  /** As its leases name it. */
  readonly self: string;
  readonly url: string;
  readonly port: number;
  /** What was reported. */
  readonly faults: unknown[];
}

export interface RelayServerOptions {
  readonly secret?: string;
  readonly databaseNow?: () => number;
  readonly idleMs?: number;
  readonly tls?: boolean;
  /** Who has asked it for blobs. */
  readonly askers?: readonly RecentAsker[];
}

/** The routes as a replica serves them to others, on a port of its own. */
export async function startRelayServer(host: RelayHost, options: RelayServerOptions = {}): Promise<RelayServer> {
  const faults: unknown[] = [];
  let handle: RequestListener = () => undefined;
  const listener: RequestListener = (request, response) => handle(request, response);
  const server =
    options.tls === true
      ? createHttpsServer({ cert: certificate, key: privateKey }, listener)
      : createHttpServer({ requestTimeout: 0 }, listener);
  const port = await listening(server);
  const url = `${options.tls === true ? "https" : "http"}://127.0.0.1:${port}`;
  const self = `${url}#boot-1`;
  const routes = new Hono<EdgeEnv>();
  const credentials = new SharedSecret(options.secret ?? SECRET, options.databaseNow ?? Date.now);
  const report = (error: unknown) => void faults.push(error);
  routes.route("/", relayRoutes({ host, credentials, self, idleMs: options.idleMs ?? 30_000, report }));
  routes.route("/", askerRoutes({ askers: { list: () => options.askers ?? [] }, credentials, self, report }));
  routes.notFound(pathNotFound);
  const routed = getRequestListener(routes.fetch, { overrideGlobalObjects: false });
  handle = (request, response) => void routed(request, response);
  return { self, url, port, faults, [Symbol.asyncDispose]: () => closed(server) };
}

function listening(server: Server): Promise<number> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      if (address === null || typeof address === "string") reject(new TypeError("not a TCP listener"));
      else resolve(address.port);
    });
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
    server.closeAllConnections();
  });
}
