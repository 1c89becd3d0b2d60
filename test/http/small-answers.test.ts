import { connect, type Socket } from "node:net";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";

/** Every byte value, in an order that no text has. */
const EVERY_BYTE = Buffer.from(Array.from({ length: 1_024 }, (_, index) => (index * 167 + (index >> 8)) & 0xff));
let cistern: Embedded;
let names = 0;

beforeAll(async () => {
  cistern = await startEmbedded();
});
afterAll(() => cistern[Symbol.asyncDispose]());

/** Stores the bytes, reads them until they are a hot hit, and answers their path. */
async function hot(bytes: Buffer): Promise<string> {
  names += 1;
  const json = { "Content-Type": "application/json" };
  const body = JSON.stringify({ name: `small-${names}`, container_format: "bare", disk_format: "raw" });
  const { id } = JSON.parse(String((await cistern.ask("POST", "/artifacts/images", { headers: json, body })).body));
  const path = `/artifacts/images/${id}/image`;
  await cistern.ask("PUT", path, { headers: { "Content-Type": "application/octet-stream" }, body: bytes });
  for (const _ of [1, 2]) expect((await cistern.ask("GET", path)).status).toBe(200);
  return path;
}

/** One connection and what came on it, answer by answer. */
class Wire implements Disposable {
  readonly #socket: Socket;
  #seen = Buffer.alloc(0);
  #ended = false;
  #woken: () => void = () => undefined;

  constructor(url: string) {
    const { hostname, port } = new URL(url);
    this.#socket = connect(Number(port), hostname);
    this.#socket.on("data", (chunk) => {
      this.#seen = Buffer.concat([this.#seen, chunk]);
      this.#woken();
    });
    this.#socket.on("end", () => {
      this.#ended = true;
      this.#woken();
    });
  }

  send(...requests: string[]): void {
    this.#socket.write(requests.join(""));
  }

  /** The next answer; `bodiless` for one to HEAD. */
  async answer(bodiless = false): Promise<{ readonly status: number; readonly head: string; readonly body: Buffer }> {
    const end = await this.#until(() => this.#seen.indexOf("\r\n\r\n"));
    const head = this.#seen.subarray(0, end).toString("latin1");
    const length = bodiless || head.includes(" 304 ") ? 0 : Number(/^content-length: (\d+)/im.exec(head)?.[1]);
    const total = end + 4 + length;
    await this.#until(() => (this.#seen.length >= total ? total : -1));
    const body = this.#seen.subarray(end + 4, total);
    this.#seen = this.#seen.subarray(total);
    return { status: Number(head.slice(9, 12)), head, body };
  }

  /** What came after the last answer until the other side ended the connection. */
  async rest(): Promise<Buffer> {
    await this.#until(() => (this.#ended ? 0 : -1));
    return this.#seen;
  }

  async #until(found: () => number): Promise<number> {
    for (;;) {
      const at = found();
      if (at >= 0) return at;
      if (this.#ended) throw new Error(`the connection ended after: ${this.#seen.toString("latin1")}`);
      await new Promise<void>((resolve) => {
        this.#woken = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}

function get(
  path: string,
  headers: Readonly<Record<string, string>> = {},
  line = { method: "GET", version: "1.1" },
): string {
  const all = { Host: "cistern", "X-Auth-Token": cistern.adminToken, ...headers };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${line.method} ${path} HTTP/${line.version}\r\n${lines.join("")}\r\n`;
}

describe("small hot hits on the wire", () => {
  test.each([1, 255, 1_024, 8_191, 8_192, 8_193, 16_384, 65_536, 65_537])(
    "%i bytes of every value come as they are stored",
    async (size) => {
      const bytes = Buffer.alloc(size, EVERY_BYTE);
      const path = await hot(bytes);
      using wire = new Wire(cistern.url);
      for (const _ of [1, 2, 3]) {
        wire.send(get(path));
        const { status, head, body } = await wire.answer();
        expect([status, body.equals(bytes)]).toEqual([200, true]);
        expect(head).toContain(`Content-Length: ${size}`);
        expect(head).toContain("Cache-Status: Cistern; hit");
      }
    },
  );

  test("pipelined requests are answered in their order, each with its own", async () => {
    const one = await hot(EVERY_BYTE);
    const other = await hot(Buffer.alloc(300, "other"));
    using wire = new Wire(cistern.url);
    const etag = /etag: (\S+)/i.exec((await headOf(one)).head)?.[1] ?? "";
    wire.send(
      get(one),
      get(other),
      get(one, {}, { method: "HEAD", version: "1.1" }),
      get(one, { Range: "bytes=250-259" }),
      get(one, { "If-None-Match": etag }),
      get("/artifacts/images/no-such-thing/image"),
      get(other),
    );
    expect((await wire.answer()).body).toEqual(EVERY_BYTE);
    expect((await wire.answer()).body).toEqual(Buffer.alloc(300, "other"));
    const head = await wire.answer(true);
    expect([head.status, head.head.includes("Content-Length: 1024")]).toEqual([200, true]);
    const part = await wire.answer();
    expect([part.status, part.body]).toEqual([206, EVERY_BYTE.subarray(250, 260)]);
    expect((await wire.answer()).status).toBe(304);
    expect((await wire.answer()).status).toBe(404);
    expect((await wire.answer()).body).toEqual(Buffer.alloc(300, "other"));
  });

  test("a hundred pipelined requests get a hundred answers", async () => {
    const path = await hot(EVERY_BYTE);
    using wire = new Wire(cistern.url);
    wire.send(...Array.from({ length: 100 }, () => get(path)));
    for (let count = 0; count < 100; count += 1) expect((await wire.answer()).body.equals(EVERY_BYTE)).toBe(true);
  });

  test("Connection: close and HTTP/1.0 end the connection behind the body", async () => {
    const path = await hot(EVERY_BYTE);
    for (const request of [get(path, { Connection: "close" }), get(path, {}, { method: "GET", version: "1.0" })]) {
      using wire = new Wire(cistern.url);
      wire.send(request);
      const { status, head, body } = await wire.answer();
      expect([status, body.equals(EVERY_BYTE)]).toEqual([200, true]);
      expect(head).toMatch(/^connection: close/im);
      expect(await wire.rest()).toEqual(Buffer.alloc(0));
    }
  });

  test("HTTP/1.0 with keep-alive goes on", async () => {
    const path = await hot(EVERY_BYTE);
    using wire = new Wire(cistern.url);
    for (const _ of [1, 2]) {
      wire.send(get(path, { Connection: "keep-alive" }, { method: "GET", version: "1.0" }));
      expect((await wire.answer()).body.equals(EVERY_BYTE)).toBe(true);
    }
  });
});

test("a request that should have a body and has none is answered, and the connection goes on", async () => {
  using wire = new Wire(cistern.url);
  const path = await hot(EVERY_BYTE);
  const line = (method: string) => ({ method, version: "1.1" });
  const json = { "Content-Type": "application/json" };
  for (const headers of [json, { ...json, "Content-Length": "0" }]) {
    wire.send(get("/artifacts/images", headers, line("POST")));
    expect((await wire.answer()).status).toBe(400);
    wire.send(get(path, headers, line("PUT")));
    expect((await wire.answer()).status).toBeGreaterThanOrEqual(400);
    wire.send(get(path));
    expect((await wire.answer()).body).toEqual(EVERY_BYTE);
  }
});

describe("I6: on one connection", () => {
  test("a token that was revoked stops at once", async () => {
    const path = await hot(EVERY_BYTE);
    const made = await cistern.ask("POST", "/v1/tokens", {
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ name: "short-lived", project: "admin", roles: ["member"] }),
    });
    const { id, token } = JSON.parse(String(made.body));
    using wire = new Wire(cistern.url);
    const ask = async () => {
      wire.send(get(path, { "X-Auth-Token": token }));
      return (await wire.answer()).status;
    };
    for (const _ of [1, 2, 3]) expect(await ask()).toBe(200);
    expect((await cistern.ask("DELETE", `/v1/tokens/${id}`)).status).toBe(200);
    for (const _ of [1, 2]) expect(await ask()).toBe(401);
  });

  test("each request is judged by the token that it shows", async () => {
    const path = await hot(EVERY_BYTE);
    const stranger = await cistern.token("another-project", ["member"]);
    using wire = new Wire(cistern.url);
    const ask = async (headers: Readonly<Record<string, string>>) => {
      wire.send(get(path, headers));
      return (await wire.answer()).status;
    };
    for (const _ of [1, 2]) {
      expect(await ask({})).toBe(200);
      expect(await ask({ "X-Auth-Token": stranger })).toBe(404);
      expect(await ask({ "X-Auth-Token": `${stranger}x` })).toBe(401);
      expect(await ask({ Authorization: `Bearer ${stranger}` })).toBe(404);
      expect(await ask({ Authorization: "Digest of-something" })).toBe(200);
    }
  });
});

async function headOf(path: string) {
  using wire = new Wire(cistern.url);
  wire.send(get(path));
  return await wire.answer();
}
