import { once } from "node:events";
import type { IncomingMessage, ServerResponse } from "node:http";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { EdgeEnv } from "../../src/http/caller.ts";
import { clientAddress } from "../../src/http/client-address.ts";
import { TlsFiles } from "../../src/http/tls-files.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { type Certificate, makeCertificate } from "../support/certificate.ts";
import { requireProgram } from "../support/programs.ts";
import { exchange, head, type Listening, nextReply, open, openServer, secured } from "./edge-server.ts";
import { proxyBytes } from "./proxy-bytes.ts";

/** The one that is trusted; everybody else on 127.0.0.0/8 is not. */
const PROXY = "127.0.0.1";
const STRANGER = "127.0.0.2";
/** Trusted as well: what stands in front of the proxy. */
const FRONT = "198.51.100.9";
const CLOSE = { Connection: "close" };

/** Says who it takes the client for, by the routes and by the hot path. */
const routes = new Hono<EdgeEnv>().get("/who", (c) => c.text(clientAddress(c.env.incoming)));
const options = {
  routes,
  trustedProxies: [`${PROXY}/32`, `${FRONT}/32`],
  hotPath: (request: IncomingMessage, response: ServerResponse) => {
    if (request.url !== "/hot") return false;
    response.end(clientAddress(request));
    return true;
  },
};
let edge: Listening;

beforeAll(async () => {
  edge = await openServer(options);
});
afterAll(() => edge[Symbol.asyncDispose]());

const whoBy = async (headers: Record<string, string>, preface?: Uint8Array, from = PROXY): Promise<string> => {
  const sent = preface === undefined ? { from } : { from, preface };
  return (await exchange(edge.port, head("/who", { ...headers, ...CLOSE }), sent)).body;
};

describe("X-Forwarded-For", () => {
  test("from a trusted proxy states the client", async () => {
    expect(await whoBy({ "X-Forwarded-For": "192.0.2.66, 192.0.2.1" })).toBe("192.0.2.1");
    expect(await whoBy({})).toBe(PROXY);
    expect(await whoBy({ "X-Forwarded-For": "nobody" })).toBe(PROXY);
  });

  test("from anyone else is ignored", async () => {
    expect(await whoBy({ "X-Forwarded-For": "192.0.2.1" }, undefined, STRANGER)).toBe(STRANGER);
    expect(await whoBy({ "X-Forwarded-For": "127.0.0.1" }, undefined, STRANGER)).toBe(STRANGER);
  });

  test("is read anew for each request on a connection, by the hot path too", async () => {
    using socket = await open(edge.port);
    for (const path of ["/hot", "/who"]) {
      for (const client of ["192.0.2.1", "192.0.2.2", "2001:db8::1"]) {
        socket.write(head(path, { "X-Forwarded-For": client }));
        expect((await nextReply(socket)).body).toBe(client);
      }
    }
  });

  test("in several fields is read as one", async () => {
    const request = head("/who", { ...CLOSE, "X-Forwarded-For": "192.0.2.66\r\nX-Forwarded-For: 192.0.2.1" });
    expect((await exchange(edge.port, request)).body).toBe("192.0.2.1");
  });
});

describe("the PROXY protocol", () => {
  test.each(["203.0.113.7", "2001:db8::7"])("states the client %s", async (client) => {
    expect(await whoBy({}, proxyBytes(client))).toBe(client);
  });

  test("states a client whose own X-Forwarded-For is ignored", async () => {
    expect(await whoBy({ "X-Forwarded-For": "192.0.2.1" }, proxyBytes("203.0.113.7"))).toBe("203.0.113.7");
  });

  test("states a trusted proxy, whose X-Forwarded-For counts", async () => {
    expect(await whoBy({ "X-Forwarded-For": "192.0.2.1" }, proxyBytes(FRONT))).toBe("192.0.2.1");
    expect(await whoBy({}, proxyBytes(FRONT))).toBe(FRONT);
  });

  test("in a health check of the proxy itself states nobody else", async () => {
    expect(await whoBy({}, proxyBytes("203.0.113.7", { command: 0 }))).toBe(PROXY);
    expect(await whoBy({}, proxyBytes("203.0.113.7", { family: 0 }))).toBe(PROXY);
  });

  test("loses no byte behind the header, however the bytes arrive", async () => {
    const bytes = Buffer.concat([proxyBytes("203.0.113.7"), Buffer.from(head("/who", CLOSE))]);
    for (const cut of [1, 12, 16, 28, 29, 60, bytes.length]) {
      using socket = await open(edge.port);
      socket.setNoDelay(true);
      socket.write(bytes.subarray(0, cut));
      // The server has the first part when it has had time for a turn of another connection.
      await whoBy({});
      socket.write(bytes.subarray(cut));
      expect((await nextReply(socket)).body).toBe("203.0.113.7");
    }
  });

  test("carries a request whose sender has ended its side already", async () => {
    using socket = await open(edge.port);
    socket.end(Buffer.concat([proxyBytes("203.0.113.7"), Buffer.from(head("/who"))]));
    expect((await nextReply(socket)).body).toBe("203.0.113.7");
  });

  test("goes on with pipelined and later requests of the same client", async () => {
    using socket = await open(edge.port, { preface: proxyBytes("203.0.113.7") });
    for (const _ of [1, 2, 3]) {
      socket.write(head("/who"));
      expect((await nextReply(socket)).body).toBe("203.0.113.7");
    }
  });

  test("from anyone else is a bad request", async () => {
    const reply = await exchange(edge.port, Buffer.concat([proxyBytes("192.0.2.1"), Buffer.from(head("/who"))]), {
      from: STRANGER,
    });
    expect(reply.status).toBe(400);
  });

  test("of version 1 is a bad request", async () => {
    const text = `PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n${head("/who")}`;
    expect((await exchange(edge.port, text)).status).toBe(400);
  });

  test("a second header is a bad request", async () => {
    const twice = Buffer.concat([proxyBytes("192.0.2.1"), proxyBytes("192.0.2.2"), Buffer.from(head("/who"))]);
    expect((await exchange(edge.port, twice)).status).toBe(400);
  });

  test.each([
    ["is malformed", proxyBytes("192.0.2.1", { version: 3 })],
    ["announces too much", proxyBytes("192.0.2.1", { tlvs: Buffer.alloc(5000) })],
    ["stops in the middle", proxyBytes("192.0.2.1").subarray(0, 20)],
    ["never comes", Buffer.alloc(0)],
  ])("that %s closes the connection without an answer", async (_name, bytes) => {
    await using own = await openServer({ ...options, times: { headersMs: 300, proxyHeaderMs: 200 } });
    using socket = await open(own.port);
    let received = 0;
    socket.on("data", (chunk) => {
      received += chunk.length;
    });
    socket.on("error", () => undefined);
    socket.write(bytes);
    await once(socket, "close");
    expect(received).toBe(0);
  });

  test("awaited does not hold up the end of the server", async () => {
    const own = await openServer(options);
    using socket = await open(own.port);
    socket.write(proxyBytes("192.0.2.1").subarray(0, 5));
    const closed = once(socket.resume(), "close");
    await exchange(own.port, head("/who", CLOSE));
    await Promise.all([own.server.close(60_000), closed]);
  });
});

describe.skipIf(!requireProgram("openssl"))("with TLS behind the PROXY header", () => {
  let certificate: Certificate;
  let secure: Listening;
  const stack = new AsyncDisposableStack();

  beforeAll(async () => {
    certificate = await makeCertificate(stack.use(await temporaryDirectory()).path, "edge");
    const tls = stack.use(await TlsFiles.open(certificate, { emit: () => undefined }));
    secure = stack.use(await openServer({ ...options, tls }));
  });
  afterAll(() => stack.disposeAsync());

  test("the client is the one that it states", async () => {
    const sent = { ca: certificate.cert, preface: proxyBytes("203.0.113.7") };
    expect((await exchange(secure.port, head("/who", CLOSE), sent)).body).toBe("203.0.113.7");
    expect((await exchange(secure.port, head("/hot", CLOSE), sent)).body).toBe("203.0.113.7");
  });

  test("no byte is lost, however the bytes arrive", async () => {
    for (let cut = 1; cut < 40; cut += 6) {
      using socket = await open(secure.port);
      socket.setNoDelay(true);
      const bytes = proxyBytes("203.0.113.7");
      socket.write(bytes.subarray(0, cut));
      await exchange(secure.port, head("/who", CLOSE), { ca: certificate.cert });
      socket.write(bytes.subarray(cut));
      const inside = await secured(socket, certificate.cert);
      inside.write(head("/who"));
      expect((await nextReply(inside)).body).toBe("203.0.113.7");
    }
  });

  test("without one, X-Forwarded-For counts as it does without TLS", async () => {
    const request = head("/who", { ...CLOSE, "X-Forwarded-For": "192.0.2.1" });
    expect((await exchange(secure.port, request, { ca: certificate.cert })).body).toBe("192.0.2.1");
    expect((await exchange(secure.port, request, { ca: certificate.cert, from: STRANGER })).body).toBe(STRANGER);
  });

  test("a header from anyone else is no TLS, and the connection ends", async () => {
    using socket = await open(secure.port, { from: STRANGER, preface: proxyBytes("192.0.2.1") });
    socket.on("error", () => undefined);
    await once(socket.resume(), "close");
  });
});
