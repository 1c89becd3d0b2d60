import { createHash } from "node:crypto";
import { connect, type Socket } from "node:net";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { type Behaviour, bytesAt, digestOf, type FaultOrigin, startFaultOrigin } from "./fault-origin.ts";

const IMAGE = { size: 3 * 2 ** 20 + 5, seed: "image" };
const HALF = 2 ** 20 + 7;

describe("made-up content", () => {
  test("is the same from every offset, and other for another seed", () => {
    const whole = bytesAt(IMAGE, 0, IMAGE.size);
    expect(whole).toHaveLength(IMAGE.size);
    for (const offset of [0, 1, 15, 16, 17, HALF, IMAGE.size - 1]) {
      expect(bytesAt(IMAGE, offset, 100).equals(whole.subarray(offset, offset + 100))).toBe(true);
    }
    expect(bytesAt({ ...IMAGE, seed: "other" }, 0, 100).equals(whole.subarray(0, 100))).toBe(false);
    expect(digestOf(IMAGE)).toBe(createHash("sha256").update(whole).digest("hex"));
  });
});

interface Raw {
  readonly head: string;
  readonly body: Buffer;
  readonly error: string | undefined;
}

/** What comes over the wire, uninterpreted, until the connection ends. */
async function raw(origin: FaultOrigin, path: string, headers: readonly string[] = [], method = "GET"): Promise<Raw> {
  const socket = connect(origin.port, "127.0.0.1");
  socket.write(
    `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${headers.map((h) => `${h}\r\n`).join("")}\r\n`,
  );
  return collect(socket);
}

async function collect(socket: Socket): Promise<Raw> {
  const chunks: Buffer[] = [];
  let error: string | undefined;
  socket.on("data", (chunk) => chunks.push(chunk));
  socket.on("error", (thrown) => {
    error = "code" in thrown ? String(thrown.code) : thrown.message;
  });
  const closed = Promise.withResolvers<void>();
  socket.on("close", () => closed.resolve());
  await closed.promise;
  const all = Buffer.concat(chunks);
  const end = all.indexOf("\r\n\r\n");
  return { head: all.subarray(0, end).toString(), body: all.subarray(end + 4), error };
}

async function serving(...behaviours: Behaviour[]): Promise<FaultOrigin> {
  const origin = await startFaultOrigin();
  origin.serve("/a.img", IMAGE, ...behaviours);
  return origin;
}

describe("the fault origin", () => {
  test("is faultless unless told otherwise, and counts", async () => {
    await using origin = await serving();
    const response = await fetch(origin.url("/a.img?x=1"), { headers: { range: "bytes=10-19" } });
    expect(response.status).toBe(206);
    expect(response.headers.get("content-range")).toBe(`bytes 10-19/${IMAGE.size}`);
    expect(Buffer.from(await response.arrayBuffer()).equals(bytesAt(IMAGE, 10, 10))).toBe(true);
    const whole = await fetch(origin.url("/a.img"));
    expect(
      createHash("sha256")
        .update(Buffer.from(await whole.arrayBuffer()))
        .digest("hex"),
    ).toBe(digestOf(IMAGE));
    expect(origin.bytesSent("/a.img")).toBe(IMAGE.size + 10);
    expect(origin.requests("/a.img").map((request) => [request.range, request.status, request.end])).toEqual([
      ["bytes=10-19", 206, "complete"],
      [undefined, 200, "complete"],
    ]);
    expect((await fetch(origin.url("/none"))).status).toBe(404);
  });

  test("honours If-Range by entity tag and by date, and refuses what lies outside", async () => {
    await using origin = await serving();
    const head = await fetch(origin.url("/a.img"), { method: "HEAD" });
    expect(head.headers.get("content-length")).toBe(String(IMAGE.size));
    const tag = head.headers.get("etag") ?? "";
    const date = head.headers.get("last-modified") ?? "";
    for (const [condition, status] of [
      [tag, 206],
      [date, 206],
      [`W/${tag}`, 200],
      ['"other"', 200],
    ] as const) {
      const response = await raw(origin, "/a.img", ["Range: bytes=3145700-", `If-Range: ${condition}`]);
      expect(response.head).toContain(`HTTP/1.1 ${status} `);
    }
    expect((await raw(origin, "/a.img", [`Range: bytes=${IMAGE.size}-`])).head).toContain("416");
    expect((await raw(origin, "/a.img", ["Range: bytes=-5"])).body).toHaveLength(5);
  });

  test("resets at a byte when the client has all before it", async () => {
    await using origin = await serving({ resetAt: HALF }, {});
    const broken = await raw(origin, "/a.img");
    expect(broken.error).toBe("ECONNRESET");
    expect(broken.body.equals(bytesAt(IMAGE, 0, HALF))).toBe(true);
    expect(origin.requests("/a.img")[0]).toMatchObject({ bytesSent: HALF, end: "reset" });
    expect((await raw(origin, "/a.img")).body).toHaveLength(IMAGE.size);
  });

  test("closes at a byte, in every framing", async () => {
    for (const framing of ["length", "chunked", "close"] as const) {
      await using origin = await serving({ closeAt: HALF, framing });
      const broken = await raw(origin, "/a.img");
      expect(broken.error).toBeUndefined();
      expect(broken.head.includes("content-length")).toBe(framing === "length");
      expect(broken.head.startsWith("HTTP/1.0")).toBe(framing === "close");
      if (framing !== "chunked") expect(broken.body).toHaveLength(HALF);
      else expect(broken.body.subarray(-5).toString()).not.toBe("0\r\n\r\n");
      expect(origin.requests()[0]).toMatchObject({ bytesSent: HALF, end: "closed" });
    }
  });

  test("stalls until the client goes", async () => {
    await using origin = await serving({ stallAt: HALF });
    const socket = connect(origin.port, "127.0.0.1");
    socket.write("GET /a.img HTTP/1.1\r\nHost: x\r\n\r\n");
    let received = 0;
    for await (const chunk of socket) {
      received += chunk.length;
      if (received > HALF) break;
    }
    await expect.poll(() => origin.requests()[0]?.end).toBe("left");
    expect(origin.bytesSent()).toBe(HALF);
  });

  test("holds the head, and holds bytes, until released", async () => {
    const head = Promise.withResolvers<void>();
    const rest = Promise.withResolvers<void>();
    await using origin = await serving({ holdHeaders: head.promise, hold: { at: 0, until: rest.promise } });
    const pending = raw(origin, "/a.img");
    await origin.requested("/a.img");
    expect(origin.requests()[0]?.status).toBeUndefined();
    head.resolve();
    await expect.poll(() => origin.requests()[0]?.status).toBe(200);
    expect(origin.bytesSent()).toBe(0);
    rest.resolve();
    expect((await pending).body).toHaveLength(IMAGE.size);
  });

  test("limits its rate", async () => {
    await using origin = await serving({ rate: 10 * 2 ** 20 });
    const began = performance.now();
    await raw(origin, "/a.img");
    const seconds = (performance.now() - began) / 1000;
    expect(seconds).toBeGreaterThan(0.28);
    expect(seconds).toBeLessThan(1.5);
  });

  test("changes content: shorter, longer, another, one bit", async () => {
    const other = { ...IMAGE, seed: "other" };
    await using origin = await serving(
      { truncateTo: 100 },
      { extendBy: 3 },
      { content: other },
      { flipBitAt: HALF },
      {},
    );
    const [short, long, changed, flipped, good] = [
      await raw(origin, "/a.img"),
      await raw(origin, "/a.img"),
      await raw(origin, "/a.img"),
      await raw(origin, "/a.img"),
      await raw(origin, "/a.img"),
    ];
    expect(short.body).toHaveLength(100);
    expect(short.head).toContain("content-length: 100");
    expect(long.body).toHaveLength(IMAGE.size + 3);
    expect(changed.body.equals(bytesAt(other, 0, other.size))).toBe(true);
    expect(/etag: .*/.exec(changed.head)?.[0]).not.toBe(/etag: .*/.exec(good.head)?.[0]);
    const differing = [...good.body.keys()].filter((index) => good.body[index] !== flipped.body[index]);
    expect(differing).toEqual([HALF]);
  });

  test("announces what is not so", async () => {
    await using origin = await serving(
      { contentLength: IMAGE.size + 1 },
      { contentLength: 5 },
      { contentRange: "bytes 0-9/10" },
      { ranges: false },
      { etag: 'W/"weak"', lastModified: null },
      { etag: null, lastModified: null },
    );
    const long = await raw(origin, "/a.img");
    expect(long.head).toContain(`content-length: ${IMAGE.size + 1}`);
    expect(long.body).toHaveLength(IMAGE.size);
    expect((await raw(origin, "/a.img")).body).toHaveLength(IMAGE.size);
    expect((await raw(origin, "/a.img", ["Range: bytes=7-"])).head).toContain("content-range: bytes 0-9/10");
    const ignoring = await raw(origin, "/a.img", ["Range: bytes=7-"]);
    expect(ignoring.head).toContain("HTTP/1.1 200");
    expect(ignoring.body).toHaveLength(IMAGE.size);
    expect((await raw(origin, "/a.img")).head).toMatch(/etag: W\/"weak"/);
    expect((await raw(origin, "/a.img")).head).not.toMatch(/etag|last-modified/);
  });

  test("answers statuses, redirects, refused HEADs and codings", async () => {
    await using origin = await serving(
      { status: 503, retryAfter: 7 },
      { headStatus: 405, encoding: "gzip" },
      { encoding: "label" },
    );
    origin.redirectChain("/r", 3, "/a.img");
    const failed = await fetch(origin.url("/a.img"));
    expect([failed.status, failed.headers.get("retry-after")]).toEqual([503, "7"]);
    expect((await fetch(origin.url("/a.img"), { method: "HEAD" })).status).toBe(405);
    const packed = await raw(origin, "/a.img");
    expect(packed.head).toContain("content-encoding: gzip");
    expect(gunzipSync(packed.body).equals(bytesAt(IMAGE, 0, IMAGE.size))).toBe(true);
    const labelled = await raw(origin, "/r");
    expect(labelled.head).toContain("location: /r/1");
    const followed = await fetch(origin.url("/r"), { method: "HEAD" });
    expect(followed.url).toBe(origin.url("/a.img"));
    expect((await raw(origin, "/a.img")).body).toHaveLength(IMAGE.size);
  });
});
