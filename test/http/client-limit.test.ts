import type { ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { Hono } from "hono";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { EdgeEnv } from "../../src/http/caller.ts";
import { TlsFiles } from "../../src/http/tls-files.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { makeCertificate } from "../support/certificate.ts";
import { requireProgram } from "../support/programs.ts";
import { exchange, head, type Listening, nextReply, open, openServer } from "./edge-server.ts";
import { proxyBytes } from "./proxy-bytes.ts";

const CLIENT = "127.0.0.2";
const OTHER = "127.0.0.3";
const PROXY = "127.0.0.1";
const LIMITS = { maxConnections: 1000, maxConnectionsPerClient: 2 };

/** Requests for `/held`, which get their answer when the test says so. */
const held: ServerResponse[] = [];
const options = {
  routes: new Hono<EdgeEnv>().all("*", (c) => c.text("served")),
  hotPath: (request: { url?: string | undefined }, response: ServerResponse) => {
    if (request.url !== "/held") return false;
    held.push(response);
    return true;
  },
  limits: LIMITS,
  trustedProxies: [PROXY],
};
let edge: Listening;

beforeAll(async () => {
  edge = await openServer(options);
});
afterEach(() => {
  for (const response of held.splice(0)) response.end();
});
afterAll(() => edge[Symbol.asyncDispose]());

async function ask(socket: Socket, headers: Readonly<Record<string, string>> = {}) {
  socket.write(head("/", headers));
  return await nextReply(socket);
}

describe("a client with more connections than it may have", () => {
  test("is told so in either shape, and the connection is closed", async () => {
    using first = await open(edge.port, { from: CLIENT });
    using second = await open(edge.port, { from: CLIENT });
    expect([(await ask(first)).status, (await ask(second)).status]).toEqual([200, 200]);
    const refused = await exchange(edge.port, head("/artifacts/images"), { from: CLIENT });
    expect(refused.status).toBe(429);
    expect(refused.head).toMatch(/\r\nRetry-After: 5\r\n/);
    expect(refused.head).toMatch(/\r\nConnection: close(\r\n|$)/);
    expect(JSON.parse(refused.body)).toMatchObject({ code: 429, error: { code: "too-many-connections" } });
    const ours = await exchange(edge.port, head("/v1/tokens"), { from: CLIENT });
    expect(JSON.parse(ours.body)).toMatchObject({ status: 429, code: "too-many-connections" });
    // The ones that it has go on.
    expect((await ask(first)).status).toBe(200);
  });

  test("takes nothing from others, and may come again when it has closed one", async () => {
    using _first = await open(edge.port, { from: CLIENT });
    using second = await open(edge.port, { from: CLIENT });
    expect((await ask(second)).status).toBe(200);
    expect((await exchange(edge.port, head("/", { Connection: "close" }), { from: OTHER })).status).toBe(200);
    second.destroy();
    await expect
      .poll(async () => (await exchange(edge.port, head("/", { Connection: "close" }), { from: CLIENT })).status)
      .toBe(200);
  });

  test("is refused without its body being read", async () => {
    using _first = await open(edge.port, { from: CLIENT });
    using second = await open(edge.port, { from: CLIENT });
    await ask(second);
    const request = `PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: ${2 ** 40}\r\n\r\n`;
    expect((await exchange(edge.port, request, { from: CLIENT })).status).toBe(429);
  });

  test("cannot hold refused connections by saying nothing, and beyond 64 of them is reset", async () => {
    let reset = 0;
    const sockets = Array.from({ length: 2 + 64 + 10 }, () =>
      connect({ host: "127.0.0.1", port: edge.port, localAddress: CLIENT })
        .resume()
        .on("error", () => {
          reset += 1;
        }),
    );
    await expect.poll(() => reset).toBe(10);
    const open = () => sockets.filter((socket) => !socket.destroyed);
    expect(open()).toHaveLength(2 + 64);
    await expect.poll(() => open().length, { timeout: 10_000 }).toBe(2);
    for (const socket of sockets) socket.destroy();
  });

  test("is known by the address that PROXY states", async () => {
    using first = await open(edge.port, { preface: proxyBytes("203.0.113.7") });
    using second = await open(edge.port, { preface: proxyBytes("203.0.113.7") });
    expect([(await ask(first)).status, (await ask(second)).status]).toEqual([200, 200]);
    expect((await exchange(edge.port, head("/"), { preface: proxyBytes("203.0.113.7") })).status).toBe(429);
    using third = await open(edge.port, { preface: proxyBytes("203.0.113.8") });
    expect((await ask(third)).status).toBe(200);
  });
});

describe("a trusted proxy that states no client by PROXY", () => {
  test("may have any number of connections", async () => {
    const sockets = await Promise.all(Array.from({ length: 10 }, () => open(edge.port)));
    for (const socket of sockets) expect((await ask(socket)).status).toBe(200);
    for (const socket of sockets) socket.destroy();
  });

  test("has its clients' requests counted, as X-Forwarded-For states them", async () => {
    const forwarded = (client: string) => ({ "X-Forwarded-For": client });
    const waiting: Socket[] = [];
    for (const count of [1, 2]) {
      const socket = await open(edge.port);
      socket.write(head("/held", forwarded("192.0.2.1")));
      waiting.push(socket);
      await expect.poll(() => held.length).toBe(count);
    }
    expect((await exchange(edge.port, head("/", forwarded("192.0.2.1")))).status).toBe(429);
    using other = await open(edge.port);
    expect((await ask(other, forwarded("192.0.2.2"))).status).toBe(200);
    held.pop()?.end();
    await expect
      .poll(
        async () => (await exchange(edge.port, head("/", { ...forwarded("192.0.2.1"), Connection: "close" }))).status,
      )
      .toBe(200);
    for (const socket of waiting) socket.destroy();
  });

  test("has its own requests served, however many", async () => {
    const sockets = await Promise.all(Array.from({ length: 5 }, () => open(edge.port)));
    for (const socket of sockets) socket.write(head("/held"));
    await expect.poll(() => held.length).toBe(5);
    for (const socket of sockets) socket.destroy();
  });
});

test.skipIf(!requireProgram("openssl"))("over TLS too, a client is told that it has too many connections", async () => {
  await using directory = await temporaryDirectory();
  const certificate = await makeCertificate(directory.path, "edge");
  using tls = await TlsFiles.open(certificate, { emit: () => undefined });
  await using secure = await openServer({ ...options, tls });
  const client = { from: CLIENT, ca: certificate.cert };
  using first = await open(secure.port, client);
  using second = await open(secure.port, client);
  expect([(await ask(first)).status, (await ask(second)).status]).toEqual([200, 200]);
  expect((await exchange(secure.port, head("/"), client)).status).toBe(429);
  const stated = { preface: proxyBytes("203.0.113.7"), ca: certificate.cert };
  using third = await open(secure.port, stated);
  using fourth = await open(secure.port, stated);
  expect([(await ask(third)).status, (await ask(fourth)).status]).toEqual([200, 200]);
  expect((await exchange(secure.port, head("/"), stated)).status).toBe(429);
});
