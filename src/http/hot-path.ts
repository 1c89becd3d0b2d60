import type { IncomingMessage, ServerResponse } from "node:http";
import { LRUCache } from "lru-cache";
import type { Authenticator } from "./authenticate.ts";
import { parseBlobPath } from "./blob-path.ts";
import { clientAddress } from "./client-address.ts";
import { type NamedBlob, type ServeBlobPorts, serveSmall } from "./serve-blob.ts";

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
  const paths = new LRUCache<string, NamedBlob>({ max: 10_000 });
  return (request, response) => {
    if (request.method !== "GET") return false;
    const path = request.url ?? "";
    try {
      const named = paths.get(path) ?? parse(path);
      if (named === undefined || request.headers["cdn-loop"] !== undefined) return false;
      const address = clientAddress(request);
      const principal = authenticator.authenticateCached(request.headers, address, request.socket);
      if (principal === undefined) return false;
      const read = authenticator.limits.mayRead(principal);
      if (read === false || !serveSmall(ports, request, response, named, principal)) return false;
      read?.spend();
      paths.set(path, named);
      return true;
    } catch (error) {
      if (response.headersSent) throw error;
      return false; // the routes come to the same refusal, and render it
    }
  };
}

function parse(path: string): NamedBlob | undefined {
  const match = PLAIN_BLOB.exec(path);
  if (match === null) return undefined;
  const [, type = "", id = "", field = ""] = match;
  return { type, ref: parseBlobPath(type, id, field, undefined) };
}
