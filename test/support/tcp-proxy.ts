import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

/** A way to a server of this machine that can be cut. */
export interface TcpProxy extends AsyncDisposable {
  readonly port: number;
  /** What clients send from now on is shown first; true: the answer to it is swallowed, and the connection cut. */
  watch(swallow: ((sent: Buffer) => boolean) | undefined): void;
  /** Nothing passes any more, in either direction, and no connection is closed: as when a cable is pulled. */
  freeze(): void;
  /** New connections pass again; those that were frozen stay so. */
  thaw(): void;
}

export async function startTcpProxy(to: number): Promise<TcpProxy> {
  const sockets = new Set<Socket>();
  let frozen = new AbortController();
  let swallow: ((sent: Buffer) => boolean) | undefined;
  const server = createServer((client) => {
    const upstream = connect(to, "127.0.0.1");
    const { signal } = frozen;
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => {
        sockets.delete(socket);
        if (!signal.aborted) for (const other of [client, upstream]) other.destroy();
      });
    }
    let swallowing = false;
    client.on("data", (chunk: Buffer) => {
      swallowing ||= swallow?.(chunk) ?? false;
      if (!signal.aborted) upstream.write(chunk);
    });
    upstream.on("data", (chunk: Buffer) => {
      if (swallowing) client.destroy();
      else if (!signal.aborted) client.write(chunk);
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP port was given");
  return {
    port: address.port,
    watch: (next) => {
      swallow = next;
    },
    freeze: () => frozen.abort(),
    thaw: () => {
      frozen = new AbortController();
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}
