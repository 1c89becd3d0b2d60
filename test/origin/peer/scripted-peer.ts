import { createServer, type Socket } from "node:net";
import { RELAY_FIELDS, type RelayEnd, relayEndFields, relayStatement } from "../../../src/domain/relay-wire.ts";
import { SharedSecret } from "../../../src/origin/peer/shared-secret.ts";
import { SECRET } from "../../support/relay-server.ts";

/** Writes what it likes in answer to one request, which had this `Authorization`. */
export type Script = (socket: Socket, authorization: string) => void;

export interface ScriptedPeer extends AsyncDisposable {
  /** As a lease would name it. */
  readonly self: string;
  readonly connections: number;
}

export const URL_OF_BYTES = "http://origin.example/blob";
/** A proper head of a relay. */
export const HEAD = [
  "HTTP/1.1 200 OK",
  "Transfer-Encoding: chunked",
  `${RELAY_FIELDS.url}: ${encodeURIComponent(URL_OF_BYTES)}`,
  "",
  "",
].join("\r\n");

/** Something that listens where a replica should, and does as it is told. */
export async function startScriptedPeer(script: Script): Promise<ScriptedPeer> {
  let connections = 0;
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    connections += 1;
    sockets.add(socket);
    socket.on("error", () => undefined); // the client may leave at any time
    let head = "";
    socket.on("data", (data: Buffer) => {
      head += data.toString("latin1");
      if (head.endsWith("\r\n\r\n")) script(socket, /^authorization: (.*)\r$/im.exec(head)?.[1] ?? "");
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new TypeError("not a TCP listener");
  return {
    self: `http://127.0.0.1:${address.port}#boot-1`,
    get connections() {
      return connections;
    },
    [Symbol.asyncDispose]: () =>
      new Promise<void>((resolve) => {
        for (const socket of sockets) socket.destroy();
        server.close(() => resolve());
      }),
  };
}

export function chunk(text: string): string {
  return `${text.length.toString(16)}\r\n${text}\r\n`;
}

/** The last chunk and the trailers, proved by whoever has this secret. */
export function ending(end: RelayEnd, authorization: string, secret = SECRET): string {
  const proof = proofOf(
    relayStatement({ url: URL_OF_BYTES, validator: undefined, total: undefined }, end),
    authorization,
    secret,
  );
  return trailers({ ...relayEndFields(end), [RELAY_FIELDS.proof]: proof });
}

export function trailers(fields: Record<string, string>): string {
  const lines = Object.entries(fields).map(([name, value]) => `${name}: ${value}\r\n`);
  return `0\r\n${lines.join("")}\r\n`;
}

export function proofOf(statement: string, authorization: string, secret = SECRET): string {
  return new SharedSecret(secret, Date.now).vouch(authorization, statement);
}
