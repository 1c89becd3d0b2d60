import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { connect as connectTls, type TLSSocket } from "node:tls";
import { type EdgeOptions, EdgeServer } from "../../src/http/server.ts";

/** A listener on 127.0.0.1. */
export interface Listening extends AsyncDisposable {
  readonly port: number;
  readonly server: EdgeServer;
}

const DEFAULTS = {
  hotPath: undefined,
  limits: { maxConnections: 1000, maxConnectionsPerClient: undefined },
  tls: undefined,
  trustedProxies: [],
  idleMs: 60_000,
  setting: "CISTERN_LISTEN",
} as const;

export async function openServer(options: Partial<EdgeOptions> & Pick<EdgeOptions, "routes">): Promise<Listening> {
  const server = new EdgeServer({ ...DEFAULTS, ...options });
  const { port } = await server.listen({ host: "127.0.0.1", port: 0 });
  return { port, server, [Symbol.asyncDispose]: () => server.close(0) };
}

export interface ConnectOptions {
  /** The address to come from: any of 127.0.0.0/8. */
  readonly from?: string;
  /** Written before anything else, TLS too. */
  readonly preface?: Uint8Array;
  /** PEM of the certificate to expect; without it the connection is plain. */
  readonly ca?: string;
}

/** Opens a connection; resolves when it (and the TLS in it) stands. */
export async function open(port: number, options: ConnectOptions = {}): Promise<Socket & Disposable> {
  const socket = connect({ host: "127.0.0.1", port, localAddress: options.from ?? "127.0.0.1" });
  await once(socket, "connect");
  if (options.preface !== undefined) socket.write(options.preface);
  const opened = options.ca === undefined ? socket : await secured(socket, options.ca);
  return Object.assign(opened, { [Symbol.dispose]: () => void opened.destroy() });
}

/** TLS on a connection that stands; resolves after the handshake. */
export async function secured(socket: Socket, ca: string): Promise<TLSSocket> {
  const secure = connectTls({ socket, ca, host: "127.0.0.1", ALPNProtocols: ["http/1.1"] });
  await once(secure, "secureConnect");
  return secure;
}

/** A request head, as it goes over the wire. */
export function head(path: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ Host: "cistern.example", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `GET ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

export interface Reply {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** Sends one request on a connection of its own, and answers what came until the server closed it. */
export async function exchange(
  port: number,
  request: string | Uint8Array,
  options: ConnectOptions = {},
): Promise<Reply> {
  const socket = await open(port, options);
  socket.write(request);
  return replyOf(await text(socket));
}

export function replyOf(received: string): Reply {
  const end = received.indexOf("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(received)?.[1] ?? 0);
  return { status, head: received.slice(0, end), body: received.slice(end + 4) };
}

/** Reads one answer with a Content-Length from a connection that stays open. */
export async function nextReply(socket: Socket): Promise<Reply> {
  let received = "";
  for (;;) {
    const reply = replyOf(received);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(reply.head)?.[1] ?? Number.NaN);
    if (reply.body.length >= length) return reply;
    const [chunk] = await once(socket, "data");
    received += String(chunk);
  }
}
