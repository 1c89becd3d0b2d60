/**
 * A real HTTP/1.1 server for tests, whose answers go wrong as the test says, and which counts.
 *
 *   await using origin = await startFaultOrigin();
 *   const image = { size: 64 * 2 ** 20, seed: "image" };      // made up on demand; or a Buffer
 *   origin.serve("/a.img", image, { resetAt: 1000 }, {});     // 1st request reset, all later ones fine
 *   fetch(origin.url("/a.img"));
 *   origin.requests("/a.img")[0]?.bytesSent;                   // what left the origin
 *   origin.behave("/a.img", { flipBitAt: 7 });                 // from now on
 *   digestOf(image, "sha256");
 *
 * The faults are the members of `Behaviour`; `{}` is a faultless origin. HEAD uses up no behaviour.
 */
import { createServer, type Server, type Socket } from "node:net";
import { type Answer, answer } from "./fault-origin/answer.ts";
import type { Behaviour, SeenRequest } from "./fault-origin/behaviour.ts";
import { type RunningRequest, serveConnection } from "./fault-origin/connection.ts";
import type { Content } from "./fault-origin/content.ts";
import type { RequestHead } from "./fault-origin/request-reader.ts";

export type { Behaviour, SeenRequest } from "./fault-origin/behaviour.ts";
export { certificate } from "./fault-origin/certificate.ts";
export { bytesAt, type Content, digestOf } from "./fault-origin/content.ts";

export interface FaultOriginOptions {
  /** Address to listen on. Default 127.0.0.1. */
  readonly host?: string;
  /** Default: any free one. */
  readonly port?: number;
  /** https under a certificate that signs itself (`certificate`). */
  readonly tls?: boolean;
}

interface Served {
  content: Content;
  behaviours: readonly Behaviour[];
  next: number;
}

/** Listens on a free port of the loopback interface until it is disposed. */
export async function startFaultOrigin(options: FaultOriginOptions = {}): Promise<FaultOrigin> {
  const origin = new FaultOrigin(options);
  await origin.listen();
  return origin;
}

class FaultOrigin implements AsyncDisposable {
  readonly #options: FaultOriginOptions;
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #served = new Map<string, Served>();
  readonly #requests: RunningRequest[] = [];
  readonly #waiting = new Set<() => void>();
  #connections = 0;

  constructor(options: FaultOriginOptions) {
    this.#options = options;
    this.#server = createServer((socket) => {
      this.#connections += 1;
      this.#sockets.add(socket);
      socket.on("close", () => this.#sockets.delete(socket));
      serveConnection(socket, options.tls === true, (request, clientPort) => this.#plan(request, clientPort));
    });
  }

  async listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.#server.once("error", reject);
    this.#server.listen(this.#options.port ?? 0, this.#options.host ?? "127.0.0.1", resolve);
    await promise;
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === "string") throw new Error("the origin does not listen");
    return address.port;
  }

  /** Connections accepted so far. */
  get connections(): number {
    return this.#connections;
  }

  /** Connections that are open now. */
  get openConnections(): number {
    return this.#sockets.size;
  }

  /** The URL of a path; `host` is one more name of this machine, `user:password@host` too. */
  url(path: string, host = this.#options.host ?? "127.0.0.1"): string {
    const scheme = this.#options.tls === true ? "https" : "http";
    return `${scheme}://${host.includes("::") ? `[${host}]` : host}:${this.port}${path}`;
  }

  /** Serves content under a path (query excluded): one behaviour per request, the last for all that follow. */
  serve(path: string, content: Content, ...behaviours: Behaviour[]): void {
    this.#served.set(path, { content, behaviours, next: 0 });
  }

  /** Changes the behaviours of a path from the next request on. */
  behave(path: string, ...behaviours: Behaviour[]): void {
    const served = this.#served.get(path);
    if (served === undefined) throw new Error(`nothing is served at ${path}`);
    this.#served.set(path, { content: served.content, behaviours, next: 0 });
  }

  /** `path` leads to `target` over so many redirects. */
  redirectChain(path: string, hops: number, target: string): void {
    for (let hop = 0; hop < hops; hop++) {
      const from = hop === 0 ? path : `${path}/${hop}`;
      this.serve(from, Buffer.alloc(0), { redirect: hop === hops - 1 ? target : `${path}/${hop + 1}` });
    }
  }

  /** What was asked, oldest first; of one path, or of all. */
  requests(path?: string): readonly SeenRequest[] {
    return this.#requests.filter((request) => path === undefined || request.path === path);
  }

  /** Bytes of bodies that left; for one path, or for all. */
  bytesSent(path?: string): number {
    return this.requests(path).reduce((sum, request) => sum + request.bytesSent, 0);
  }

  /** Resolves when a path has been asked for `count` times since the start. */
  async requested(path: string, count = 1): Promise<void> {
    while (this.requests(path).length < count) {
      await new Promise<void>((resolve) => this.#waiting.add(resolve));
    }
  }

  /** Resets every open connection. */
  dropConnections(): void {
    for (const socket of this.#sockets) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#server.close(() => resolve());
    for (const socket of this.#sockets) socket.destroy();
    await promise;
  }

  #plan(request: RequestHead, clientPort: number) {
    const path = request.path.split("?")[0] ?? "";
    const served = this.#served.get(path);
    const behaviour = served === undefined ? { status: 404 } : behaviourOf(served, request.method);
    const record: RunningRequest = {
      method: request.method,
      path,
      headers: request.headers,
      range: request.headers.range,
      clientPort,
      status: undefined,
      bytesSent: 0,
      end: undefined,
    };
    this.#requests.push(record);
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
    const planned: Answer = answer(request, served?.content ?? Buffer.alloc(0), behaviour);
    return { behaviour, answer: planned, record };
  }
}

export type { FaultOrigin };

function behaviourOf(served: Served, method: string): Behaviour {
  const last = Math.max(0, served.behaviours.length - 1);
  const behaviour = served.behaviours[Math.min(served.next, last)] ?? {};
  if (method === "GET") served.next += 1;
  return behaviour;
}
