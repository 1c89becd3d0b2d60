import type { IncomingMessage } from "node:http";
import type { BlockList, Socket } from "node:net";
import { contains, plainAddress } from "./cidr.ts";
import { forwardedClient } from "./forwarded.ts";

/** The other end of a connection that a trusted proxy opened. */
class ProxiedPeer {
  /** Stated by PROXY, else the proxy itself. */
  readonly address: string;
  /** A proxy itself: it is one end for many clients, and its `X-Forwarded-For` is believed. */
  readonly isProxy: boolean;
  readonly #trusted: BlockList;
  #header = "";
  #client: string;

  constructor(address: string, trusted: BlockList) {
    this.address = address;
    this.isProxy = contains(trusted, address);
    this.#trusted = trusted;
    this.#client = address;
  }

  clientOf(forwarded: string): string {
    // Asked several times for one request, and proxies keep connections for one client after another.
    if (this.#header !== forwarded) {
      this.#header = forwarded;
      this.#client = forwarded === "" ? this.address : (forwardedClient(forwarded, this.#trusted) ?? this.address);
    }
    return this.#client;
  }
}

/** Holds nothing for connections that no trusted proxy opened. */
const proxied = new WeakMap<Socket, ProxiedPeer>();

/**
 * The address of the client that sent this request: the socket's peer, unless a trusted proxy states
 * another one. Addresses are plain: IPv4 is never written as IPv6.
 */
export function clientAddress(request: IncomingMessage): string {
  const peer = proxied.get(request.socket);
  if (peer === undefined) return plainAddress(request.socket.remoteAddress ?? "");
  return peer.isProxy ? peer.clientOf(String(request.headers["x-forwarded-for"] ?? "")) : peer.address;
}

/**
 * The client of a request that shares its connection with other clients' requests; undefined when
 * the connection has one client, or nothing states who the client is.
 */
export function sharedClient(request: IncomingMessage): string | undefined {
  const peer = proxied.get(request.socket);
  if (peer === undefined || !peer.isProxy) return undefined;
  const client = clientAddress(request);
  return client === peer.address ? undefined : client;
}

/**
 * Notes that a trusted proxy opened this connection, and the client that its PROXY header stated.
 * Answers the one client of the connection; undefined when the requests on it are of several.
 */
export function markProxied(socket: Socket, stated: string | undefined, trusted: BlockList): string | undefined {
  const peer = new ProxiedPeer(stated ?? plainAddress(socket.remoteAddress ?? ""), trusted);
  proxied.set(socket, peer);
  return peer.isProxy ? undefined : peer.address;
}

/** What is known of a connection holds for the TLS in it. */
export function inheritClient(secure: Socket, raw: Socket): void {
  const peer = proxied.get(raw);
  if (peer !== undefined) proxied.set(secure, peer);
}
