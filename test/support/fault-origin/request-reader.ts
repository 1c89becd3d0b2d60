import type { Socket } from "node:net";

export interface RequestHead {
  readonly method: string;
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly keepAlive: boolean;
}

/** Calls back for each request of a connection, in order. Requests with a body are not understood. */
export function onRequest(connection: Socket, callback: (request: RequestHead) => void): void {
  let text = "";
  // A data listener, not an iterator: a paused stream would not notice that the client has left.
  connection.on("data", (chunk) => {
    text += chunk.toString("latin1");
    for (let end = text.indexOf("\r\n\r\n"); end >= 0; end = text.indexOf("\r\n\r\n")) {
      const head = text.slice(0, end);
      text = text.slice(end + 4);
      callback(parseHead(head));
    }
  });
}

function parseHead(text: string): RequestHead {
  const [first = "", ...lines] = text.split("\r\n");
  const [method = "", target = "", version = ""] = first.split(" ");
  const headers: Record<string, string> = {};
  for (const line of lines) {
    const colon = line.indexOf(":");
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const connection = headers.connection?.toLowerCase();
  const keepAlive = version === "HTTP/1.1" ? connection !== "close" : connection === "keep-alive";
  return { method, path: target, headers, keepAlive };
}
