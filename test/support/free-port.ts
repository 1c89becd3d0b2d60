import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/** A TCP port of 127.0.0.1 that was free a moment ago: for programs that cannot choose one themselves. */
export function freePort(): Promise<number> {
  return tryPort(0);
}

/**
 * As `freePort`, for a server that is stopped and comes back: the system gives no port of this range
 * to a connection in the meantime.
 */
export async function freePortToKeep(): Promise<number> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryPort(randomInt(15_000, 32_000));
    } catch (error) {
      const taken = error instanceof Error && "code" in error && error.code === "EADDRINUSE";
      if (!taken || attempt === 20) throw error;
    }
  }
}

async function tryPort(wanted: number): Promise<number> {
  const server = createServer();
  server.listen(wanted, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no TCP port was given");
  return address.port;
}
