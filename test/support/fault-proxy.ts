import { once } from "node:events";
import { Agent, createServer, type IncomingMessage, request, type ServerResponse } from "node:http";
import { pipeline } from "node:stream/promises";

/** What the proxy does with a request instead of passing it on; undefined passes it on. */
export type ProxyFault =
  /** Answers by itself. */
  | { readonly kind: "answer"; readonly status: number; readonly body?: string }
  /** The server does as it is told, but nobody hears of it. */
  | { readonly kind: "lose-answer" }
  /** Cuts the answer after so many bytes of its body. */
  | { readonly kind: "cut"; readonly after: number }
  /** Cuts the connection before anything is passed on. */
  | { readonly kind: "refuse" }
  /** Takes the request, and that is all. */
  | { readonly kind: "silence" }
  /** Passes the answer on with other headers. */
  | { readonly kind: "relabel"; readonly headers: Readonly<Record<string, string>> };

export interface FaultProxy extends AsyncDisposable {
  readonly endpoint: string;
  /** Method and URL of every request so far, without what signs it. */
  readonly seen: readonly string[];
  /** Answers that the client has not taken to their end. */
  readonly cutByClient: number;
  /** Decides for each request; `seen` holds it already. */
  rule: (line: string) => ProxyFault | undefined;
}

/** An HTTP proxy in front of a server, for the faults that a network and an overloaded server have. */
export async function startFaultProxy(target: string): Promise<FaultProxy> {
  const { hostname, port } = new URL(target);
  const agent = new Agent({ keepAlive: true });
  const seen: string[] = [];
  let cutByClient = 0;
  const server = createServer((incoming, answer) => {
    const line = `${incoming.method} ${incoming.url?.replace(/X-Amz-[^=]+=[^&]*&?/g, "")}`;
    seen.push(line);
    const fault = proxy.rule(line);
    answer.once("close", () => {
      if (fault === undefined && !answer.writableFinished) cutByClient += 1;
    });
    void serve(incoming, answer, fault, { agent, hostname, port }).catch(() => answer.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP port was given");
  const proxy: FaultProxy = {
    endpoint: `http://127.0.0.1:${address.port}`,
    seen,
    get cutByClient() {
      return cutByClient;
    },
    rule: () => undefined,
    [Symbol.asyncDispose]: async () => {
      server.close();
      server.closeAllConnections();
      agent.destroy();
      await once(server, "close");
    },
  };
  return proxy;
}

interface Upstream {
  readonly agent: Agent;
  readonly hostname: string;
  readonly port: string;
}

async function serve(
  incoming: IncomingMessage,
  answer: ServerResponse,
  fault: ProxyFault | undefined,
  upstream: Upstream,
): Promise<void> {
  if (fault?.kind === "refuse") {
    incoming.socket.destroy();
    return;
  }
  if (fault?.kind === "silence" || fault?.kind === "answer") {
    for await (const _ of incoming);
    if (fault.kind === "silence") return;
    answer.writeHead(fault.status, { "content-type": "application/xml" }).end(fault.body ?? "");
    return;
  }
  const { method, url, headers } = incoming;
  const forward = request({ ...upstream, method, path: url, headers });
  const [, [response]] = await Promise.all([pipeline(incoming, forward), once(forward, "response")]);
  if (!isMessage(response)) throw new TypeError("no response");
  if (fault?.kind === "lose-answer") {
    for await (const _ of response);
    incoming.socket.destroy();
    return;
  }
  const changed = fault?.kind === "relabel" ? fault.headers : {};
  answer.writeHead(response.statusCode ?? 500, { ...response.headers, ...changed });
  if (fault?.kind === "cut") await cut(response, answer, fault.after);
  else await pipeline(response, answer);
}

async function cut(response: IncomingMessage, answer: ServerResponse, after: number): Promise<void> {
  let left = after;
  for await (const chunk of response) {
    if (!(chunk instanceof Uint8Array)) throw new TypeError("no bytes");
    const piece = chunk.subarray(0, left);
    left -= piece.length;
    await new Promise<void>((resolve) => answer.write(piece, () => resolve()));
    if (left === 0) break;
  }
  answer.socket?.end();
  response.destroy();
}

function isMessage(value: unknown): value is IncomingMessage {
  return typeof value === "object" && value !== null && "statusCode" in value;
}
