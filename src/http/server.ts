import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { CisternError } from "../domain/errors.ts";

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
}

/** Answers a request itself, or leaves it to the routes (false). */
export type HotPath = (request: IncomingMessage, response: ServerResponse) => boolean;

const KEEP_ALIVE_MS = 75_000;
const HEADERS_MS = 30_000;

/** The listener of the inside: Node's HTTP server in front of the routes. */
export class EdgeServer {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #closing = false;

  // biome-ignore lint/suspicious/noExplicitAny: Hono's generics say nothing about how it is served
  constructor(routes: Hono<any>, hotPath: HotPath, maxConnections: number) {
    const listener = getRequestListener(routes.fetch, {
      overrideGlobalObjects: false,
      hostname: "localhost", // for HTTP/1.0 requests, which need no Host
    });
    // Uploads may take longer than any fixed time: requestTimeout is off, their stall timer is their own.
    const options = {
      requestTimeout: 0,
      headersTimeout: HEADERS_MS,
      keepAliveTimeout: KEEP_ALIVE_MS,
      noDelay: true,
      highWaterMark: 1024 * 1024,
      // A request without a body is not given the events of one.
      optimizeEmptyRequests: true,
    };
    this.#server = createServer(options, (request, response) => {
      // While the server drains, a connection is not kept for another request.
      if (this.#closing) response.setHeader("Connection", "close");
      if (!hotPath(request, response)) void listener(request, response);
    });
    this.#server.maxConnections = maxConnections;
    this.#server.timeout = 0;
    this.#server.on("connection", (socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
    });
  }

  /** Resolves with the address in use; `invalid-config` when it cannot be had. */
  listen(options: ListenOptions): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => {
        const where = `${options.host}:${options.port}`;
        const rule = `cannot listen on ${where}: choose another address, or stop what listens there`;
        reject(new CisternError("invalid-config", `CISTERN_LISTEN: ${rule}`, { cause }));
      });
      this.#server.listen(options.port, options.host, 4096, () => {
        const address = this.#server.address();
        if (address === null || typeof address === "string") reject(new TypeError("not a TCP listener"));
        else resolve(address);
      });
    });
  }

  /** Takes no new connections, lets running responses end for `drainMs`, then resets what is left. */
  async close(drainMs: number): Promise<void> {
    this.#closing = true;
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    // Reset, not closed: what is cut here must not look complete (I1).
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.resetAndDestroy();
    }, drainMs);
    await closed;
    clearTimeout(timer);
  }
}
