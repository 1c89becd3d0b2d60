import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { expect, test } from "vitest";
import { ORIGIN_DEFAULTS } from "../../src/origin/options.ts";
import { openSource, take } from "./open-source.ts";

const TIMEOUTS = { ...ORIGIN_DEFAULTS.timeouts, connectMs: 500, headersMs: 500 };
const HINTS = "HTTP/1.1 103 Early Hints\r\n\r\n";

/** An origin that answers every request with early hints, one each 50 ms, and then with `last`. */
async function startHinting(hints: number, last: string) {
  const closed: Promise<unknown>[] = [];
  const server = createServer((socket) => {
    closed.push(once(socket, "close"));
    socket.on("error", () => socket.destroy());
    socket.once("data", () => hint(socket, hints, last));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("not listening");
  return {
    url: `http://127.0.0.1:${address.port}/`,
    /** Settles when the client has closed every connection. */
    left: () => Promise.all(closed),
    [Symbol.dispose]: () => void server.close(),
  };
}

function hint(socket: Socket, hints: number, last: string): void {
  let sent = 0;
  const timer = setInterval(() => {
    sent += 1;
    socket.write(sent > hints ? last : HINTS);
    if (sent > hints) clearInterval(timer);
  }, 50);
  socket.once("close", () => clearInterval(timer));
}

test("an origin that only ever sends 1xx answers is left when the time for the head is over", async () => {
  using origin = await startHinting(Number.POSITIVE_INFINITY, "");
  await using source = openSource({ timeouts: TIMEOUTS });
  const began = performance.now();
  const outcome = await take(source, origin.url, {}, AbortSignal.timeout(6_000));
  expect(outcome.end).toBe("origin-timeout");
  expect(outcome.error).toMatchObject({ origin: new URL(origin.url).host });
  expect(performance.now() - began).toBeGreaterThan(900);
  expect(performance.now() - began).toBeLessThan(4_000);
  await origin.left();
});

test("an origin that answers after some 1xx answers is read", async () => {
  using origin = await startHinting(4, "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello");
  await using source = openSource({ timeouts: TIMEOUTS });
  const outcome = await take(source, origin.url);
  expect(outcome).toMatchObject({ end: "complete", bytes: Buffer.from("hello") });
});
