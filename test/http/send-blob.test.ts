import { once } from "node:events";
import { mkdtemp, stat } from "node:fs/promises";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Socket } from "node:net";
import { join } from "node:path";
import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Sent, sendBlob, sendSmall } from "../../src/http/send-blob.ts";
import { TlsFiles } from "../../src/http/tls-files.ts";
import { runProgram } from "../e2e/support/run-program.ts";
import { temporaryDirectory } from "../store/temporary-directory.ts";
import { type Certificate, makeCertificate } from "../support/certificate.ts";
import { requireProgram } from "../support/programs.ts";
import { head, type Listening, nextReply, open, openServer } from "./edge-server.ts";
import { type BodyOptions, openedBody } from "./opened-body.ts";

const MIB = 2 ** 20;
const IDLE_MS = 200;
/** For what must go on, on a machine that is busy with other things too. */
const PATIENT_MS = 1_000;

/** What the server serves on any path, and how its last response ended. */
let serving: BodyOptions;
let idleMs = IDLE_MS;
let sent: PromiseWithResolvers<Sent>;
/** The connection of the last request, on the server's side. */
let server: Socket | undefined;

function serve(options: BodyOptions, idle = IDLE_MS): void {
  serving = options;
  idleMs = idle;
  sent = Promise.withResolvers();
}

/** A large answer of the kind that the routes make. */
const routes = new Hono().get("/json", (c) => c.text("x".repeat(32 * MIB)));

function hotPath(request: IncomingMessage, response: ServerResponse): boolean {
  server = request.socket;
  if (request.url === "/json") return false;
  if (request.url === "/small") {
    const { facts } = openedBody(serving);
    const bytes = Math.min(serving.bytes, 64 * 1024);
    const range = { start: 0, end: bytes };
    const hit = { kind: "small", outcome: "hit", size: bytes, range, partial: false } as const;
    sendSmall(response, { ...hit, facts, block: { bytes: Buffer.alloc(bytes), text: undefined } }, IDLE_MS);
    return true;
  }
  sendBlob(response, openedBody(serving), { idleMs, ignoresShortBody: false }).then(sent.resolve, sent.reject);
  return true;
}

describe.skipIf(!requireProgram("openssl")).each(["http", "https"] as const)("a body over %s", (scheme) => {
  const stack = new AsyncDisposableStack();
  let directory: string;
  let certificate: Certificate;
  let edge: Listening;
  const connected = (): Promise<Socket & Disposable> =>
    open(edge.port, scheme === "https" ? { ca: certificate.cert } : {});

  beforeAll(async () => {
    directory = stack.use(await temporaryDirectory()).path;
    certificate = await makeCertificate(directory, "edge");
    const tls = scheme === "https" ? stack.use(await TlsFiles.open(certificate, { emit: () => undefined })) : undefined;
    edge = stack.use(await openServer({ routes, hotPath, tls, idleMs: IDLE_MS }));
  });
  afterAll(() => stack.disposeAsync());

  test("arrives whole", async () => {
    serve({ bytes: 3 * MIB, announced: 3 * MIB, after: "end" });
    using socket = await connected();
    socket.write(head("/", { Connection: "close" }));
    expect((await read(socket)).bytes).toBeGreaterThan(3 * MIB);
    expect(await sent.promise).toEqual({ status: 200, bytes: 3 * MIB, complete: true });
  });

  test("I1: that fails is reset, not closed", async () => {
    serve({ bytes: MIB, announced: 3 * MIB, after: "fail" });
    using socket = await connected();
    socket.write(head("/"));
    const { broken } = await read(socket);
    expect(broken).toBe("ECONNRESET");
    expect(await sent.promise).toMatchObject({ complete: false, cut: "unverified" });
  });

  test.skipIf(!requireProgram("curl"))("I1: that fails leaves curl with an error", async () => {
    serve({ bytes: MIB, announced: 3 * MIB, after: "fail" });
    const file = join(await mkdtemp(join(directory, "curl-")), "body");
    const url = `${scheme}://localhost:${edge.port}/`;
    const { code } = await runProgram("curl", ["-sS", "--cacert", certificate.certFile, "-o", file, url]);
    expect([18, 56]).toContain(code);
    expect((await stat(file).catch(() => ({ size: 0 }))).size).toBeLessThan(3 * MIB);
  });

  test("I9: whose reader takes no byte is ended by a reset", async () => {
    serve({ bytes: 64 * MIB, announced: 64 * MIB, after: "end" });
    using socket = await connected();
    socket.pause();
    socket.write(head("/"));
    expect(await sent.promise).toMatchObject({ complete: false, cut: "stalled" });
  });

  test("I9: whose reader is slow, but reads, goes on", async () => {
    serve({ bytes: 8 * MIB, announced: 8 * MIB, after: "end" }, PATIENT_MS);
    using socket = await connected();
    socket.write(head("/", { Connection: "close" }));
    const slow = trickle(socket, 4 * PATIENT_MS);
    expect(await sent.promise).toMatchObject({ complete: true });
    expect(await slow).toBeGreaterThan(8 * MIB);
  });

  test("that has nothing to give is no fault of its reader", async () => {
    serve({ bytes: 100_000, announced: MIB, after: "wait" });
    using socket = await connected();
    let closed = false;
    socket.resume().once("close", () => {
      closed = true;
    });
    socket.write(head("/"));
    await new Promise((resolve) => setTimeout(resolve, 3 * IDLE_MS));
    expect(closed).toBe(false);
    socket.destroy();
    expect(await sent.promise).toMatchObject({ complete: false });
  });

  test.each([
    ["small answers that are never taken", "/small", 200],
    ["a large answer behind a small one, never taken", "/small /", 1],
    ["an answer of the routes that is never taken", "/json", 1],
  ])("I9: %s end the connection", async (_name, paths, times) => {
    serve({ bytes: 64 * 1024, announced: 64 * MIB, after: "fail" });
    if (paths.endsWith("/")) serve({ bytes: 64 * MIB, announced: 64 * MIB, after: "end" });
    server = undefined;
    using socket = await connected();
    socket.on("error", () => undefined).pause();
    const requests = paths.split(" ").map((path) => head(path));
    socket.write(requests.join("").repeat(times));
    await expect.poll(() => server?.destroyed, { timeout: 10_000 }).toBe(true);
  });

  test("I9: an answer that waits for its client ends nothing when it is taken late", async () => {
    serve({ bytes: 64 * 1024, announced: 64 * 1024, after: "end" });
    using socket = await connected();
    for (const _ of [1, 2]) {
      socket.write(head("/small"));
      expect((await nextReply(socket)).body).toHaveLength(64 * 1024);
      await new Promise((resolve) => setTimeout(resolve, 2 * IDLE_MS));
    }
    expect(socket.destroyed).toBe(false);
  });
});

/** Everything that comes, and the code of the error that ended it. */
async function read(socket: Socket): Promise<{ bytes: number; broken: string | undefined }> {
  let bytes = 0;
  let broken: string | undefined;
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  socket.on("error", (error: NodeJS.ErrnoException) => {
    broken = error.code;
  });
  await new Promise((resolve) => socket.once("close", resolve));
  return { bytes, broken };
}

/** Reads little by little, so that the whole takes so long. */
async function trickle(socket: Socket, milliseconds: number): Promise<number> {
  let bytes = 0;
  socket.pause();
  const timer = setInterval(() => {
    const chunk: Buffer | null = socket.read(64 * 1024) ?? socket.read();
    bytes += chunk?.length ?? 0;
  }, milliseconds / 160);
  await once(socket, "end");
  clearInterval(timer);
  return bytes;
}
