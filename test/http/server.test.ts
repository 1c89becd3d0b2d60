import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import { RESPONSE_ALREADY_SENT } from "@hono/node-server/utils/response";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { isCisternError } from "../../src/domain/errors.ts";
import type { EdgeEnv } from "../../src/http/caller.ts";
import { DescribedRoutes } from "../../src/http/described-routes.ts";
import { composeFaces } from "../../src/http/faces.ts";
import { EdgeServer } from "../../src/http/server.ts";
import { TlsFiles } from "../../src/http/tls-files.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { makeCertificate } from "../support/certificate.ts";
import { requireProgram } from "../support/programs.ts";
import { exchange, head, type Listening, nextReply, open, openServer, replyOf } from "./edge-server.ts";

const CLOSE = { Connection: "close" };
const routes = new Hono<EdgeEnv>().get("/", (c) => c.text("served"));

describe("a client that is slow", () => {
  const times = { headersMs: 1_000, keepAliveMs: 200 };
  let edge: Listening;

  beforeAll(async () => {
    edge = await openServer({ routes, times });
  });
  afterAll(() => edge[Symbol.asyncDispose]());

  test("with the head of its request is told so, and ended, however it trickles", async () => {
    using socket = await open(edge.port);
    socket.write("GET / HTTP/1.1\r\nHost: a\r\n");
    const trickling = setInterval(() => socket.write("X-A: b\r\n"), 20);
    socket.on("error", () => undefined);
    const answer = await text(socket);
    clearInterval(trickling);
    expect(replyOf(answer).status).toBe(408);
  });

  test("to send anything at all is ended", async () => {
    using socket = await open(edge.port);
    await once(socket.resume(), "close");
  });

  test("to send its next request is ended", async () => {
    using socket = await open(edge.port);
    socket.write(head("/"));
    expect((await nextReply(socket)).body).toBe("served");
    await once(socket.resume(), "close");
  });

  test.skipIf(!requireProgram("openssl"))("with its TLS handshake is ended", async () => {
    await using directory = await temporaryDirectory();
    const certificate = await makeCertificate(directory.path, "edge");
    using tls = await TlsFiles.open(certificate, { emit: () => undefined });
    await using secure = await openServer({ routes, times, tls });
    using socket = await open(secure.port);
    socket.on("error", () => undefined).write(Buffer.from([0x16, 3, 1]));
    await once(socket.resume(), "close");
  });
});

describe("a listener of its own for operators", () => {
  const part = (path: string) => {
    const told = { summary: "", tags: [], roles: "anyone", responses: {}, face: "problem-json" } as const;
    const routes = new DescribedRoutes([{ ...told, method: "get", path }]);
    routes.get(path, (c) => c.text("here"));
    return routes;
  };
  const parts = {
    everywhere: [part("/livez")],
    replicas: [part("/relay")],
    main: [part("/artifacts/images")],
    admin: [part("/v1/tokens")],
    document: () => part("/openapi.json"),
  };
  const status = async (face: Hono<EdgeEnv>, path: string) => (await face.request(path)).status;

  test("has their part, and the main one has it no more", async () => {
    const { main, admin } = composeFaces({ ...parts, separateAdmin: true });
    if (admin === undefined) throw new Error("there is none");
    expect([await status(main, "/artifacts/images"), await status(main, "/v1/tokens")]).toEqual([200, 404]);
    expect([await status(admin, "/artifacts/images"), await status(admin, "/v1/tokens")]).toEqual([404, 200]);
    expect([await status(main, "/relay"), await status(admin, "/relay")]).toEqual([200, 404]);
    for (const path of ["/livez", "/openapi.json"]) {
      expect([await status(main, path), await status(admin, path)]).toEqual([200, 200]);
    }
    expect((await main.request("/v1/tokens")).headers.get("content-type")).toBe("application/problem+json");
  });

  test("has no route that is not told, and tells of none that is not there", () => {
    const untold = part("/v1/new");
    untold.post("/v1/new", (c) => c.text("here"));
    const told = new DescribedRoutes([...part("/v1/gone").operations]);
    expect(() => composeFaces({ ...parts, admin: [untold], separateAdmin: false })).toThrow("POST /v1/new");
    expect(() => composeFaces({ ...parts, admin: [told], separateAdmin: false })).toThrow("GET /v1/gone");
  });

  test("is not there unless it is asked for", async () => {
    const { main, admin } = composeFaces({ ...parts, separateAdmin: false });
    expect(admin).toBeUndefined();
    for (const path of ["/artifacts/images", "/v1/tokens", "/livez"]) expect(await status(main, path)).toBe(200);
  });

  test("names its own variable when it cannot listen", async () => {
    await using other = await openServer({ routes });
    const options = { hotPath: undefined, tls: undefined, trustedProxies: [], idleMs: 60_000 };
    const limits = { maxConnections: 10, maxConnectionsPerClient: undefined };
    const admin = new EdgeServer({ ...options, limits, routes, setting: "CISTERN_ADMIN_LISTEN" });
    const error = await admin.listen({ host: "127.0.0.1", port: other.port }).catch((thrown: unknown) => thrown);
    expect(isCisternError(error, "invalid-config") && error.message).toMatch(/^CISTERN_ADMIN_LISTEN: /);
  });
});

describe("a server that leaves", () => {
  test("goes on to take connections while it drains, each for one answer", async () => {
    const edge = await openServer({ routes });
    using kept = await open(edge.port);
    kept.write(head("/"));
    expect((await nextReply(kept)).head).not.toMatch(/connection: close/i);
    expect(edge.server.draining).toBe(false);
    const drained = edge.server.drain(100);
    expect(edge.server.draining).toBe(true);
    expect((await exchange(edge.port, head("/"))).body).toBe("served");
    kept.write(head("/"));
    expect((await nextReply(kept)).head).toMatch(/\r\nconnection: close(\r\n|$)/i);
    await drained;
    await edge.server.close(60_000);
    await expect(once(connect(edge.port, "127.0.0.1"), "connect")).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  test.each([
    ["had not begun", "/cold", /\r\nconnection: close\r\n/i],
    ["had begun", "/begun", /\r\nconnection: keep-alive\r\n/i],
  ])("lets an answer end that %s, and closes its connection and those that wait for nothing", async (_, path, says) => {
    const started = Promise.withResolvers<void>();
    const gate = Promise.withResolvers<void>();
    const slow = new Hono<EdgeEnv>()
      .get("/", (c) => c.text("served"))
      .get("/cold", async (c) => {
        started.resolve();
        await gate.promise;
        return c.text("whole");
      })
      .get("/begun", (c) => {
        c.env.outgoing.writeHead(200, { "Content-Length": "5" }).write("wh");
        void gate.promise.then(() => c.env.outgoing.end("ole"));
        started.resolve();
        return RESPONSE_ALREADY_SENT;
      });
    const edge = await openServer({ routes: slow });
    using idle = await open(edge.port);
    idle.write(head("/"));
    await nextReply(idle);
    using unused = await open(edge.port);
    const asked = exchange(edge.port, head(path));
    await started.promise;
    const closed = edge.server.close(60_000);
    await Promise.all([once(idle.resume(), "close"), once(unused.resume(), "close")]);
    gate.resolve();
    const reply = await asked;
    expect([reply.body, reply.head]).toEqual(["whole", expect.stringMatching(says)]);
    await closed;
  });

  test("resets what has not ended in time", async () => {
    const started = Promise.withResolvers<void>();
    const hotPath = (_request: unknown, response: ServerResponse) => {
      response.writeHead(200, { "Content-Length": "10" }).write("half");
      started.resolve();
      return true;
    };
    const edge = await openServer({ routes, hotPath });
    using socket = await open(edge.port);
    socket.write(head("/"));
    await started.promise;
    const broken = once(socket.resume(), "end");
    await Promise.all([expect(broken).rejects.toMatchObject({ code: "ECONNRESET" }), edge.server.close(50)]);
  });
});

test("more connections than the server may have are closed unheard", async () => {
  await using edge = await openServer({ routes, limits: { maxConnections: 1, maxConnectionsPerClient: undefined } });
  using first = await open(edge.port);
  first.write(head("/"));
  await nextReply(first);
  using second = await open(edge.port);
  second.on("error", () => undefined);
  await once(second.resume(), "close");
  first.write(head("/", CLOSE));
  expect((await nextReply(first)).body).toBe("served");
});
