import { connect, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { ServerAddress, TlsMode } from "./server-address.ts";

/** The server is there and this address will not do: trying again changes nothing. */
export class Refusal extends Error {
  override readonly name = "Refusal";
}

const KEEP_ALIVE_MS = 10_000;
/** https://www.postgresql.org/docs/current/protocol-message-formats.html (SSLRequest) */
const SSL_REQUEST = Buffer.from([0, 0, 0, 8, 4, 210, 22, 47]);
/** Of a TLS handshake that broke off without anything being wrong with it. */
const CUT: ReadonlySet<unknown> = new Set(["ECONNRESET", "EPIPE", "ETIMEDOUT"]);

/**
 * Connects, and agrees on TLS as the address wants it. Rejects with the system's error, or with a
 * `Refusal`; with the signal's reason when it is aborted.
 */
export async function dial({ at, tls }: ServerAddress, signal: AbortSignal): Promise<Socket> {
  signal.throwIfAborted();
  const socket = connect({ ...at, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
  const onAbort = () => socket.destroy();
  signal.addEventListener("abort", onAbort, { once: true });
  try {
    await next(socket, "connect");
    return tls.kind === "off" ? socket : await encrypted(socket, tls);
  } catch (error) {
    socket.destroy();
    throw signal.aborted ? signal.reason : error;
  } finally {
    signal.removeEventListener("abort", onAbort);
  }
}

async function encrypted(socket: Socket, { optional, options }: Extract<TlsMode, { kind: "on" }>): Promise<Socket> {
  socket.write(SSL_REQUEST);
  const answer = await next(socket, "data");
  // One byte: more would be somebody's who wants to slip in plain text.
  const text = Buffer.isBuffer(answer) ? answer.toString("latin1") : "";
  if (text === "N" && optional) return socket;
  if (text === "N") throw new Refusal("the server has no TLS: set it up there, or set sslmode=disable");
  if (text !== "S") throw new Refusal("what answers there is not Postgres");
  const secure = connectTls({ ...options, socket, ALPNProtocols: ["postgresql"] });
  try {
    await next(secure, "secureConnect");
    return secure;
  } catch (error) {
    const code = error instanceof Error && "code" in error ? error.code : undefined;
    if (CUT.has(code)) throw error;
    throw new Refusal(
      `its certificate is not accepted (${String(code)}): name its authority (CISTERN_DATABASE_CA) and the host that it is for`,
      // The error itself carries the whole chain of certificates.
      { cause: new Error(error instanceof Error ? error.message : String(code)) },
    );
  }
}

/** The event's value; rejects when the socket fails or closes first. Its later errors are its user's. */
function next(socket: Socket, event: "connect" | "data" | "secureConnect"): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>();
  // Stays, so that an error between two users of the socket is not an uncaught one.
  socket.on("error", reject);
  socket.once("close", () => reject(Object.assign(new Error("the connection was closed"), { code: "ECONNRESET" })));
  socket.once(event, resolve);
  return promise;
}
