import type { Socket } from "node:net";
import { nextTick } from "node:process";
import { parseProxyHeader } from "./proxy-header.ts";

export interface ProxyTimes {
  /** Milliseconds for the first byte: a balancer may open connections before it needs them. */
  readonly firstByteMs: number;
  /** Milliseconds from there to the whole header. */
  readonly headerMs: number;
}

/**
 * Reads the PROXY header that a connection may begin with, and hands on the client that it states;
 * what follows it is put back, to be read by whoever takes the socket in `take`. A connection that
 * begins with anything else is handed on as it came. One that ends, stalls or breaks the format is
 * destroyed, and `take` is not called.
 */
export function readProxyHeader(socket: Socket, times: ProxyTimes, take: (client: string | undefined) => void): void {
  let bytes: Buffer = Buffer.alloc(0);
  let timer = setTimeout(() => refuse(), times.firstByteMs);
  const stop = () => {
    clearTimeout(timer);
    socket.off("data", onData).off("end", refuse).off("close", refuse);
  };
  const refuse = () => {
    stop();
    socket.destroy();
  };
  const onData = (chunk: Buffer) => {
    if (bytes.length === 0) {
      clearTimeout(timer);
      timer = setTimeout(refuse, times.headerMs);
    }
    bytes = Buffer.concat([bytes, chunk]);
    const header = parseProxyHeader(bytes);
    if (header.kind === "partial") return;
    if (header.kind === "malformed") return refuse();
    stop();
    // Held until its taker listens: bytes that flow before would be lost.
    socket.pause();
    const rest = header.kind === "header" ? bytes.subarray(header.bytes) : bytes;
    if (rest.length > 0) socket.unshift(rest);
    take(header.kind === "header" ? header.client : undefined);
    // Not before TLS has taken what was put back, which it does at the next tick.
    nextTick(() => socket.resume());
  };
  socket.on("data", onData).once("end", refuse).once("close", refuse);
}
