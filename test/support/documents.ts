import { Conforming, type Seen } from "./conforming.ts";

/** The documents of the servers that listen in this process, by their port. */
const byPort = new Map<number, Conforming>();

/** From now on every answer that a test gets from this port must be as the document says. */
export function expectConformance(port: number, document: unknown): void {
  byPort.set(port, new Conforming(document));
}

/** Throws when a server answered what its own document does not say. */
export function checkConformance(port: number, seen: Seen): void {
  const objection = byPort.get(port)?.objection(seen);
  if (objection === undefined) return;
  const { method, path, status } = seen;
  throw new Error(
    `${method} ${path} answers ${status} outside of /openapi.json: ${objection}\n${seen.text().slice(0, 2000)}`,
  );
}
