import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { CisternError } from "../domain/errors.ts";
import { sharedClient } from "./client-address.ts";
import { faceOf, renderProblem } from "./render-problem.ts";

/** A refused connection has so long to hear why. */
const HEARS_MS = 5_000;
/** Refusals at once; what comes beyond them is reset unheard, so that refusing costs no more than this. */
const MAX_REFUSALS = 64;
const RETRY_AFTER_S = 5;

/**
 * Caps what one client address has under way: its connections, and its requests where a proxy puts
 * those of many clients on one connection.
 */
export class ClientLimit {
  readonly #most: number;
  readonly #counts = new Map<string, number>();
  readonly #refused = new WeakSet<Socket>();
  #refusals = 0;

  /** undefined: no limit. */
  constructor(most: number | undefined) {
    this.#most = most ?? Number.POSITIVE_INFINITY;
  }

  /** Counts a connection of one client. False when it was reset, and is not to be served at all. */
  takeConnection(socket: Socket, client: string): boolean {
    if (this.#enter(client)) {
      socket.once("close", () => this.#leave(client));
      return true;
    }
    if (this.#refusals >= MAX_REFUSALS) {
      socket.resetAndDestroy();
      return false;
    }
    const timer = setTimeout(() => socket.destroy(), HEARS_MS);
    this.#refused.add(socket);
    this.#refusals += 1;
    socket.once("close", () => {
      clearTimeout(timer);
      this.#refusals -= 1;
    });
    return true;
  }

  /** A refusal of a connection holds for the TLS in it. */
  inherit(secure: Socket, raw: Socket): void {
    if (this.#refused.has(raw)) this.#refused.add(secure);
  }

  /** Answers 429 to a request that is one too many; no body is read. False: it may be served. */
  refuses(request: IncomingMessage, response: ServerResponse): boolean {
    if (this.#most === Number.POSITIVE_INFINITY) return false;
    if (this.#refusals > 0 && this.#refused.has(request.socket)) {
      refuse(request, response);
      return true;
    }
    const client = sharedClient(request);
    if (client === undefined) return false;
    if (this.#enter(client)) {
      response.once("close", () => this.#leave(client));
      return false;
    }
    refuse(request, response);
    return true;
  }

  #enter(client: string): boolean {
    const count = this.#counts.get(client) ?? 0;
    if (count >= this.#most) return false;
    this.#counts.set(client, count + 1);
    return true;
  }

  #leave(client: string): void {
    const count = this.#counts.get(client) ?? 0;
    if (count > 1) this.#counts.set(client, count - 1);
    else this.#counts.delete(client);
  }
}

function refuse(request: IncomingMessage, response: ServerResponse): void {
  const message = "this client has too many connections: close some, or use them again";
  const error = new CisternError("too-many-connections", message, { retryAfter: RETRY_AFTER_S });
  const { status, headers, body } = renderProblem(error, faceOf(request.url ?? ""), { Connection: "close" });
  response.writeHead(status, headers).end(body);
}
