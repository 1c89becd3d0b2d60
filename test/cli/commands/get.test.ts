import { createHash } from "node:crypto";
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { type CliOptions, type CliResult, runCli } from "../run-cli.ts";
import { type Answerer, answerJson, type SeenRequest, startWireServer, type WireServer } from "../wire-server.ts";

const ID = "11111111-2222-4333-8444-555555555555";
const BYTES = Buffer.from(Array.from({ length: 300_000 }, (_, index) => (index * 7 + (index >> 8)) % 251));
const SHA256 = sha256(BYTES);
const BLOB_PATH = `/artifacts/images/${ID}/image`;

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-get-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

function image(name: string, blob: object | null): object {
  return { id: ID, name, version: "1.0.0", status: "active", visibility: "private", image: blob };
}

/** A server with one image; `bytes` answers GET and HEAD of its blob. */
function serverWith(bytes: Answerer, name = "disk.qcow2", recorded: string | null = SHA256): Promise<WireServer> {
  const blob = { url: "http://origin.example/disk.qcow2", size: BYTES.length, sha256: recorded, external: true };
  return startWireServer((request, response) => {
    const path = request.path.split("?")[0];
    if (path === BLOB_PATH) return bytes(request, response);
    if (path === `/artifacts/images/${ID}`) return answerJson(response, 200, image(name, blob));
    if (path === "/artifacts/images") return answerJson(response, 200, { artifacts: [image(name, blob)], next: null });
    if (path === "/artifacts/files") return answerJson(response, 200, { artifacts: [] });
    return answerJson(response, 404, { code: 404, explanation: "not here" });
  });
}

/** Answers as Cistern does: whole or one range under If-Range, with entity tag and Cache-Status. */
function healthy(request: SeenRequest, response: ServerResponse): void {
  const { status, headers, body } = answerFor(request);
  response.writeHead(status, headers).end(request.method === "HEAD" ? undefined : body);
}

function answerFor(request: SeenRequest): { status: number; headers: Record<string, string>; body: Buffer } {
  const etag = `"${SHA256}"`;
  const from = /^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1];
  const ranged = from !== undefined && request.headers["if-range"] === etag;
  const body = ranged ? BYTES.subarray(Number(from)) : BYTES;
  const range = ranged ? { "content-range": `bytes ${from}-${BYTES.length - 1}/${BYTES.length}` } : {};
  const headers = { etag, "content-length": String(body.length), "cache-status": "Cistern; hit", ...range };
  return { status: ranged ? 206 : 200, headers, body };
}

/** Sends so many bytes of the right answer, then breaks the connection. */
function brokenAfter(length: number, request: SeenRequest, response: ServerResponse): void {
  const { status, headers, body } = answerFor(request);
  response.writeHead(status, { ...headers, "cache-status": "Cistern; fwd=miss; detail=fill" });
  response.write(body.subarray(0, length), () => response.destroy());
}

function get(server: WireServer, args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const env = { CISTERN_URL: server.url, CISTERN_TOKEN: "token-of-the-test", ...options.env };
  return runCli(["get", ...args], { cwd: folder, ...options, env });
}

function blobRequests(server: WireServer): readonly SeenRequest[] {
  return server.seen.filter(({ path }) => path === BLOB_PATH);
}

describe("cistern get", () => {
  test.each(["disk.qcow2", ID])(
    "%s writes the artifact's bytes under its name, and says how they came",
    async (what) => {
      await using server = await serverWith(healthy);
      const result = await get(server, [what]);
      expect(result).toMatchObject({ code: 0, stdout: "" });
      expect(result.stderr).toMatch(/^disk\.qcow2: 293 KiB in [\d.]+ s \(.*\/s\), hit, sha256 verified\n$/);
      expect(await readdir(folder)).toEqual(["disk.qcow2"]);
      expect(sha256(await readFile(join(folder, "disk.qcow2")))).toBe(SHA256);
    },
  );

  test("--json tells the same to a program", async () => {
    await using server = await serverWith(healthy);
    const result = await get(server, ["disk.qcow2", "--json", "-o", "x"]);
    expect(result.stderr).toBe("");
    expect(JSON.parse(result.stdout)).toEqual({
      id: ID,
      name: "disk.qcow2",
      file: "x",
      bytes: BYTES.length,
      milliseconds: expect.any(Number),
      outcome: "hit",
      sha256: SHA256,
      verified: true,
    });
  });

  test("-o - writes the bytes and nothing else to stdout", async () => {
    await using server = await serverWith(healthy);
    const result = await get(server, ["disk.qcow2", "-o", "-", "--json"]);
    expect(result.code).toBe(0);
    expect(sha256(result.bytes)).toBe(SHA256);
    expect(await readdir(folder)).toEqual([]);
  });

  test("-o /dev/null only fetches: for what others will read", async () => {
    await using server = await serverWith(healthy);
    expect(await get(server, ["disk.qcow2", "-o", "/dev/null"])).toMatchObject({ code: 0 });
  });

  test("-o DIRECTORY takes the artifact's name, and never leaves the directory", async () => {
    await mkdir(join(folder, "images"));
    await using server = await serverWith(healthy, "../../etc/evil");
    expect(await get(server, [ID, "-o", "images"])).toMatchObject({ code: 0 });
    expect(await readdir(join(folder, "images"))).toEqual(["evil"]);
  });

  test("does not overwrite a file that only the record named", async () => {
    await writeFile(join(folder, "disk.qcow2"), "mine");
    await using server = await serverWith(healthy);
    expect(await get(server, ["disk.qcow2"])).toMatchObject({ code: 2, stderr: expect.stringContaining("-o FILE") });
    expect(await readFile(join(folder, "disk.qcow2"), "utf8")).toBe("mine");
    expect(await get(server, ["disk.qcow2", "-o", "disk.qcow2"])).toMatchObject({ code: 0 });
    expect(sha256(await readFile(join(folder, "disk.qcow2")))).toBe(SHA256);
  });
});

describe("a download that was interrupted", () => {
  test("goes on with the part that an earlier run left", async () => {
    await writeFile(join(folder, "disk.qcow2.part"), BYTES.subarray(0, 100_000));
    await using server = await serverWith(healthy);
    expect(await get(server, ["disk.qcow2"])).toMatchObject({ code: 0 });
    expect(sha256(await readFile(join(folder, "disk.qcow2")))).toBe(SHA256);
    expect(blobRequests(server).map(({ method, headers }) => [method, headers.range, headers["if-range"]])).toEqual([
      ["HEAD", undefined, undefined],
      ["GET", "bytes=100000-", `"${SHA256}"`],
    ]);
  });

  test("is finished without a download when every byte was there", async () => {
    await writeFile(join(folder, "disk.qcow2.part"), BYTES);
    await using server = await serverWith(healthy);
    expect(await get(server, ["disk.qcow2"])).toMatchObject({ code: 0 });
    expect(await readdir(folder)).toEqual(["disk.qcow2"]);
    expect(blobRequests(server).map(({ method }) => method)).toEqual(["HEAD"]);
  });

  test.each([
    ["of something else", Buffer.alloc(100_000, 1)],
    ["of something larger", Buffer.alloc(BYTES.length + 1, 1)],
  ])("begins again when the part is one %s", async (_what, part) => {
    await writeFile(join(folder, "disk.qcow2.part"), part);
    await using server = await serverWith(healthy);
    expect(await get(server, ["disk.qcow2"])).toMatchObject({ code: 0 });
    expect(sha256(await readFile(join(folder, "disk.qcow2")))).toBe(SHA256);
    expect(await readdir(folder)).toEqual(["disk.qcow2"]);
  });

  test("by a connection that broke goes on by itself, also into a pipe", async () => {
    let first = true;
    await using server = await serverWith((request, response) => {
      if (!first) return healthy(request, response);
      first = false;
      return brokenAfter(150_000, request, response);
    });
    const result = await get(server, ["disk.qcow2", "-o", "-"]);
    expect(result.code).toBe(0);
    expect(sha256(result.bytes)).toBe(SHA256);
    expect(result.stderr).toContain("broke: trying again in 1 s");
    expect(result.stderr).toContain("fill, sha256 verified");
    const ranges = blobRequests(server).flatMap(({ method, headers }) => (method === "GET" ? [headers.range] : []));
    expect(ranges).toEqual([undefined, expect.stringMatching(/^bytes=\d+-$/)]);
  });

  test("by Ctrl-C keeps its part, and ends with 130", async () => {
    const { promise: interrupt, resolve: stop } = Promise.withResolvers<void>();
    await using server = await serverWith((request, response) => {
      const { headers, body } = answerFor(request);
      response.writeHead(200, headers);
      response.write(body.subarray(0, 100_000), () => stop());
    });
    const result = await get(server, ["disk.qcow2"], { interrupt });
    expect(result).toMatchObject({ code: 130, stderr: expect.stringContaining("interrupted") });
    expect(result.stderr).toContain("disk.qcow2.part is kept");
    expect(await readdir(folder)).toEqual(["disk.qcow2.part"]);
  });
});

describe("what the server says", () => {
  test("'come back later' is obeyed", async () => {
    let first = true;
    await using server = await serverWith((request, response) => {
      if (!first) return healthy(request, response);
      first = false;
      response.writeHead(503, { "retry-after": "1", "content-type": "application/json" });
      response.end(JSON.stringify({ code: 503, explanation: "the fill is not that far" }));
    });
    const result = await get(server, ["disk.qcow2"]);
    expect(result.code).toBe(0);
    expect(result.stderr).toContain("the fill is not that far: trying again in 1 s");
  });

  test("'the origin is down' is final, with the server's own words", async () => {
    await using server = await serverWith((_request, response) =>
      answerJson(response, 502, { code: "origin-unreachable", detail: "origin.example cannot be reached" }),
    );
    const result = await get(server, ["disk.qcow2", "--json"]);
    expect(result).toMatchObject({ code: 1, stderr: "" });
    expect(JSON.parse(result.stdout).error).toMatchObject({
      code: "origin-unreachable",
      message: "origin.example cannot be reached",
      status: 502,
    });
    expect(blobRequests(server)).toHaveLength(1);
    expect(await readdir(folder)).not.toContain("disk.qcow2.part");
  });

  test("'the digest does not match' ends with 6", async () => {
    await using server = await serverWith((_request, response) =>
      answerJson(response, 502, { code: "digest-mismatch", detail: "the bytes are not what the record says" }),
    );
    expect(await get(server, ["disk.qcow2"])).toMatchObject({ code: 6 });
  });

  test("and sends is checked: wrong bytes are dropped, and end with 6", async () => {
    const wrong = Buffer.from(BYTES);
    wrong[1234] = (wrong[1234] ?? 0) ^ 1;
    await using server = await serverWith((_request, response) => {
      response.writeHead(200, { "content-length": String(wrong.length) }).end(wrong);
    });
    const result = await get(server, ["disk.qcow2"]);
    expect(result).toMatchObject({ code: 6, stderr: expect.stringContaining(sha256(wrong)) });
    expect(await readdir(folder)).toEqual([]);
  });

  test("is checked against the header when the record has no digest, and is told when nothing has", async () => {
    const bare: Answerer = (_request, response) => void response.writeHead(200).end(BYTES);
    await using none = await serverWith(bare, "disk.qcow2", null);
    expect((await get(none, ["disk.qcow2"])).stderr).toContain("the server named no digest");
    const lying: Answerer = (_request, response) => {
      response.writeHead(200, { etag: `"${"0".repeat(64)}"` }).end(BYTES);
    };
    await using other = await serverWith(lying, "disk.qcow2", null);
    expect(await get(other, ["disk.qcow2", "-o", "other"])).toMatchObject({ code: 6 });
  });

  test("a redirect to the origin is followed without the token", async () => {
    await using origin = await startWireServer(healthy);
    await using server = await serverWith((_request, response) => {
      response.writeHead(302, { location: `${origin.url}/disk.qcow2` }).end();
    });
    expect(await get(server, ["disk.qcow2"])).toMatchObject({ code: 0 });
    expect(origin.seen).toHaveLength(1);
    expect(origin.seen[0]?.headers.authorization).toBeUndefined();
    expect(server.seen[0]?.headers.authorization).toBe("Bearer token-of-the-test");
  });
});

describe("a name", () => {
  test("that nothing has ends with 3", async () => {
    await using server = await startWireServer((_request, response) => answerJson(response, 200, { artifacts: [] }));
    expect(await get(server, ["nothing"])).toMatchObject({ code: 3, stderr: expect.stringContaining("cistern ls") });
    expect(server.seen.map(({ path }) => path)).toEqual([
      "/artifacts/images?limit=1000&name=nothing",
      "/artifacts/files?limit=1000&name=nothing",
    ]);
  });

  test("that several have lists their ids", async () => {
    const other = { ...image("disk.qcow2", null), id: "other-id", version: "2.0.0" };
    await using server = await startWireServer(({ path }, response) =>
      answerJson(response, 200, { artifacts: path.includes("images") ? [image("disk.qcow2", null), other] : [] }),
    );
    const result = await get(server, ["disk.qcow2"]);
    expect(result.code).toBe(2);
    expect(result.stderr).toContain(`${ID} (version 1.0.0, active)`);
    expect(result.stderr).toContain("other-id (version 2.0.0, active)");
  });

  test("whose artifact has no bytes says so", async () => {
    await using server = await startWireServer((_request, response) =>
      answerJson(response, 200, image("disk.qcow2", null)),
    );
    expect(await get(server, [ID])).toMatchObject({ code: 3, stderr: expect.stringContaining("no location is set") });
  });
});
