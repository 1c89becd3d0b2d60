import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createServer as createTlsServer, Server as TlsServer } from "node:https";
import type { AddressInfo, BlockList, Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { getRequestListener } from "@hono/node-server";
import type { Hono } from "hono";
import { CisternError } from "../domain/errors.ts";
import { addressesIn, contains, plainAddress } from "./cidr.ts";
import { inheritClient, markProxied } from "./client-address.ts";
import { ClientLimit } from "./client-limit.ts";
import { readProxyHeader } from "./read-proxy-header.ts";
import type { TlsFiles } from "./tls-files.ts";

export interface ListenOptions {
  readonly host: string;
  readonly port: number;
}

/** Answers a request itself, or leaves it to the routes (false). */
export type HotPath = (request: IncomingMessage, response: ServerResponse) => boolean;

/** Milliseconds. */
export interface EdgeTimes {
  /** For a connection to bring a whole request head, and for a TLS handshake. */
  readonly headersMs: number;
  /** For a connection to bring its next request. */
  readonly keepAliveMs: number;
  /** For a PROXY header, from its first byte. */
  readonly proxyHeaderMs: number;
}

export interface EdgeOptions {
  // biome-ignore lint/suspicious/noExplicitAny: Hono's generics say nothing about how it is served
  readonly routes: Hono<any>;
  /** Asked before the routes; undefined: there is none. */
  readonly hotPath: HotPath | undefined;
  readonly limits: {
    /** Connections at once; what comes beyond is closed unheard. */
    readonly maxConnections: number;
    /** Of one client address: connections, or requests where a proxy mixes clients on one. undefined: no limit. */
    readonly maxConnectionsPerClient: number | undefined;
  };
  /** undefined: plain HTTP. */
  readonly tls: TlsFiles | undefined;
  /** CIDRs of the proxies that may state the client. */
  readonly trustedProxies: readonly string[];
  /** Milliseconds after which a client that takes no byte of its answer is ended. */
  readonly idleMs: number;
  /** The variable that names the address to listen on. */
  readonly setting: "CISTERN_LISTEN" | "CISTERN_ADMIN_LISTEN";
  readonly times?: Partial<EdgeTimes>;
}

const TIMES: EdgeTimes = { headersMs: 30_000, keepAliveMs: 75_000, proxyHeaderMs: 5_000 };
/** How late a slow head may be noticed. */
const CHECK_MS = 5_000;
const BACKLOG = 4096;
const SWEEP_MS = 100;

/** A listener of the inside: Node's HTTP server in front of the routes, with TLS or without. */
export class EdgeServer {
  readonly #server: Server | TlsServer;
  readonly #setting: EdgeOptions["setting"];
  readonly #limit: ClientLimit;
  readonly #sockets = new Set<Socket>();
  /** Connections whose first bytes are still awaited. */
  readonly #undecided = new Set<Socket>();
  /** Answers that the routes have not made yet. */
  readonly #awaited = new Set<ServerResponse>();
  #draining = false;

  constructor(options: EdgeOptions) {
    this.#setting = options.setting;
    this.#limit = new ClientLimit(options.limits.maxConnectionsPerClient);
    const times = { ...TIMES, ...options.times };
    this.#server = makeServer(options, times, this.#listener(options));
    this.#server.maxConnections = options.limits.maxConnections;
    this.#server.timeout = 0;
    this.#watchConnections(options.trustedProxies, times);
    if (options.tls !== undefined && this.#server instanceof TlsServer) this.#joinTls(options.tls, this.#server);
  }

  /** True from the beginning of `drain` or `close`. */
  get draining(): boolean {
    return this.#draining;
  }

  /** Resolves with the address in use; `invalid-config` when it cannot be had. */
  listen(options: ListenOptions): Promise<AddressInfo> {
    return new Promise((resolve, reject) => {
      this.#server.once("error", (cause) => {
        const where = `${options.host}:${options.port}`;
        const rule = `cannot listen on ${where}: choose another address, or stop what listens there`;
        reject(new CisternError("invalid-config", `${this.#setting}: ${rule}`, { cause }));
      });
      this.#server.listen(options.port, options.host, BACKLOG, () => {
        const address = this.#server.address();
        if (address === null || typeof address === "string") reject(new TypeError("not a TCP listener"));
        else resolve(address);
      });
    });
  }

  /**
   * Lets balancers notice: for `delayMs` everything is served, on a connection that ends with its
   * answer, while readiness says that this process is leaving.
   */
  async drain(delayMs: number): Promise<void> {
    this.#leave();
    await sleep(delayMs);
  }

  /** Takes no new connections, lets running responses end for `drainMs`, then resets what is left. */
  async close(drainMs: number): Promise<void> {
    this.#leave();
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    this.#server.closeIdleConnections();
    for (const socket of this.#sockets) {
      if (socket.bytesRead === 0 || this.#undecided.has(socket)) socket.destroy();
    }
    // Those whose answer had begun before have said that they would be kept.
    const sweep = setInterval(() => this.#server.closeIdleConnections(), SWEEP_MS);
    // Reset, not closed: what is cut here must not look complete (I1).
    const timer = setTimeout(() => {
      for (const socket of this.#sockets) socket.resetAndDestroy();
    }, drainMs);
    await closed;
    clearInterval(sweep);
    clearTimeout(timer);
  }

  /** From now on no connection is kept for another request. */
  #leave(): void {
    this.#draining = true;
    for (const response of this.#awaited) if (!response.headersSent) response.setHeader("Connection", "close");
  }

  #listener({ routes, hotPath, idleMs }: EdgeOptions): (request: IncomingMessage, response: ServerResponse) => void {
    const listener = getRequestListener(routes.fetch, {
      overrideGlobalObjects: false,
      hostname: "localhost", // for HTTP/1.0 requests, which need no Host
    });
    return (request, response) => {
      if (this.#draining) response.setHeader("Connection", "close");
      if (this.#limit.refuses(request, response)) return;
      if (hotPath?.(request, response) === true) return;
      this.#awaited.add(response);
      response.once("close", () => this.#awaited.delete(response));
      // From there on only the client can hold it up: Node ends the connection when nothing moves for so long.
      response.once("prefinish", () => request.socket.setTimeout(idleMs));
      void listener(request, response);
    };
  }

  /** Puts what every connection passes first before what the server itself does with it. */
  #watchConnections(trustedProxies: readonly string[], times: EdgeTimes): void {
    const taking = this.#server.listeners("connection");
    this.#server.removeAllListeners("connection");
    const take = (socket: Socket, client: string | undefined) => {
      if (client !== undefined && !this.#limit.takeConnection(socket, client)) return;
      for (const taker of taking) taker.call(this.#server, socket);
    };
    const trusted = trustedProxies.length === 0 ? undefined : addressesIn(trustedProxies);
    this.#server.on("connection", (socket: Socket) => {
      this.#sockets.add(socket);
      socket.once("close", () => this.#sockets.delete(socket));
      const peer = plainAddress(socket.remoteAddress ?? "");
      if (trusted === undefined || !contains(trusted, peer)) take(socket, peer);
      else this.#readProxy(socket, trusted, times, take);
    });
  }

  #readProxy(
    socket: Socket,
    trusted: BlockList,
    times: EdgeTimes,
    take: (socket: Socket, client: string | undefined) => void,
  ): void {
    const decided = () => this.#undecided.delete(socket);
    this.#undecided.add(socket);
    socket.once("close", decided);
    // It may break before anybody else listens; that it closes is all that matters.
    socket.on("error", decided);
    readProxyHeader(socket, { firstByteMs: times.headersMs, headerMs: times.proxyHeaderMs }, (stated) => {
      decided();
      take(socket, markProxied(socket, stated, trusted));
    });
  }

  /** What was found out about a connection holds for the TLS in it. */
  #joinTls(tls: TlsFiles, server: TlsServer): void {
    tls.onChange((context) => server.setSecureContext(context));
    // The four numbers that name a TCP connection; Node has no other public way from one to the other.
    const name = (socket: Socket) => `${socket.remoteAddress} ${socket.remotePort} ${socket.localAddress}`;
    const raws = new Map<string, Socket>();
    server.prependListener("connection", (raw: Socket) => {
      const key = name(raw);
      raws.set(key, raw);
      raw.once("close", () => raws.get(key) === raw && raws.delete(key));
    });
    server.prependListener("secureConnection", (secure: TLSSocket) => {
      const raw = raws.get(name(secure));
      if (raw === undefined) return void secure.destroy(); // reset by its client meanwhile
      // Node's own refuses TLS; a failed body must be reset there too (I1).
      secure.resetAndDestroy = () => {
        raw.resetAndDestroy();
        return secure;
      };
      inheritClient(secure, raw);
      this.#limit.inherit(secure, raw);
    });
  }
}

function makeServer(
  { tls }: EdgeOptions,
  times: EdgeTimes,
  listener: (request: IncomingMessage, response: ServerResponse) => void,
): Server | TlsServer {
  // Uploads may take longer than any fixed time: requestTimeout is off, their stall timer is their own.
  const options = {
    requestTimeout: 0,
    headersTimeout: times.headersMs,
    connectionsCheckingInterval: Math.min(CHECK_MS, times.headersMs),
    keepAliveTimeout: times.keepAliveMs,
    noDelay: true,
    // Most requests have no body: their streams are not made, and never emit `end`.
    optimizeEmptyRequests: true,
    highWaterMark: 1024 * 1024,
  };
  if (tls === undefined) return createServer(options, listener);
  const secure = { ...options, ...tls.context, ALPNProtocols: ["http/1.1"], handshakeTimeout: times.headersMs };
  return createTlsServer(secure, listener);
}
