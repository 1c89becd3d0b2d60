import type { IncomingMessage, ServerResponse } from "node:http";
import type { Authenticator } from "./authenticate.ts";
import { parseBlobPath } from "./blob-path.ts";
import { plainAddress } from "./cidr.ts";
import { type ServeBlobPorts, serveWhole } from "./serve-blob.ts";

const PLAIN_BLOB = /^\/artifacts\/([a-z_]+)\/([0-9a-f-]{36})\/([a-z_]+)$/;

/**
 * Serves small hot hits before any router is asked: by measurement, routing costs as much as all the
 * rest of such an answer. True when the request was answered; everything else, every error included,
 * is left to the routes.
 */
export function hotPath(
  ports: ServeBlobPorts,
  authenticator: Authenticator,
): (request: IncomingMessage, response: ServerResponse) => boolean {
  return (request, response) => {
    if (request.method !== "GET" || request.headers["cdn-loop"] !== undefined) return false;
    const match = PLAIN_BLOB.exec(request.url ?? "");
    if (match === null) return false;
    const [, type = "", id = "", field = ""] = match;
    const principal = authenticator.authenticateCached(
      request.headers,
      plainAddress(request.socket.remoteAddress ?? ""),
    );
    if (principal === undefined) return false;
    try {
      return serveWhole(ports, request, response, { type, ref: parseBlobPath(type, id, field, undefined) }, principal);
    } catch (error) {
      if (response.headersSent) throw error;
      return false; // the routes come to the same refusal, and render it
    }
  };
}
