import { randomUUID } from "node:crypto";
import { connect } from "node:net";
import { text } from "node:stream/consumers";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { activeImage, someImage } from "./artifacts.ts";
import { type Answer, answerOf, artifactOf, call, LOCATION_TYPE, PATCH_TYPE, problemOf, start } from "./call.ts";
import { type Edge, MEMBER_HOST, openEdge, records, snapshot } from "./edge.ts";

const MIB = 1024 * 1024;
/** Each run is a request or more, of a server that shares the machine. */
const RUNS = { numRuns: 150, interruptAfterTimeLimit: 60_000, markInterruptAsFailure: false };
const LIMIT_MS = 120_000;
let edge: Edge;
let admin = "";
let member = "";
let draft = "";
let active = "";
let before = "";

beforeAll(async () => {
  edge = await openEdge({ maxUploadBytes: MIB });
  admin = await edge.token("admin", ["admin"]);
  member = await edge.token("blue", ["member"]);
  draft = await someImage(edge, member);
  active = await activeImage(edge, member, { url: `https://${MEMBER_HOST}/x.img`, sha256: "1".repeat(64) });
  before = await snapshot(edge);
});

afterAll(async () => {
  expect(edge.faults).toEqual([]);
  await edge[Symbol.asyncDispose]();
});

/** A 4xx that says what is wrong with which field, in bounded words; and nothing has changed. */
async function expectRefused(answer: Answer): Promise<void> {
  expect(answer.status, answer.text).toBeGreaterThanOrEqual(400);
  expect(answer.status, answer.text).toBeLessThan(500);
  const problem = problemOf(answer);
  expect(problem.fields.length, answer.text).toBeGreaterThan(0);
  expect(problem.rules.every((rule) => rule.length > 0 && rule.length < 300)).toBe(true);
  expect(answer.length).toBeLessThan(16_384);
  expect(await snapshot(edge)).toBe(before);
}

const LOCATION = { "Content-Type": LOCATION_TYPE };
const PATCH = { "Content-Type": PATCH_TYPE };
const JSON_TYPE = { "Content-Type": "application/json" };

describe("bad input is a 4xx that names the field and the rule, and changes nothing", () => {
  test("malformed JSON: the answer names the place", { timeout: LIMIT_MS }, async () => {
    const broken = fc
      .tuple(
        fc.oneof(fc.json(), fc.string({ unit: "binary" })),
        fc.nat(),
        fc.constantFrom("", "}", "]", ",", "x", '"', "\u0000"),
      )
      .map(([json, where, junk]) => json.slice(0, where % (json.length + 1)) + junk)
      .filter((body) => !parses(body) && body.isWellFormed());
    const targets = fc.constantFrom(
      ["POST", "/artifacts/images", JSON_TYPE],
      ["POST", "/v1/tokens", JSON_TYPE],
      ["PATCH", draft, PATCH],
      ["PUT", `${draft}/image`, LOCATION],
    ) as fc.Arbitrary<[string, string, Record<string, string>]>;
    await fc.assert(
      fc.asyncProperty(broken, targets, async (body, [method, path, headers]) => {
        const answer = await call(edge.port, method, path, { token: admin, body, headers });
        expect(answer.status).toBe(400);
        expect(problemOf(answer).fields).toEqual(["body"]);
        expect(problemOf(answer).rules[0]).toMatch(/broken at line \d+, column \d+$|at most 32 levels/);
        await expectRefused(answer);
      }),
      RUNS,
    );
  });

  test("JSON of any other shape", { timeout: LIMIT_MS }, async () => {
    const shape = fc.oneof(
      fc.jsonValue(),
      fc.dictionary(fc.constantFrom("url", "size", "md5", "sha256", "name", "__proto__"), fc.jsonValue()),
    );
    await fc.assert(
      fc.asyncProperty(shape, async (json) => {
        for (const [method, path, headers] of [
          ["POST", "/v1/tokens", JSON_TYPE],
          ["PUT", `${draft}/image`, LOCATION],
        ] as const) {
          await expectRefused(await call(edge.port, method, path, { token: admin, json, headers }));
        }
      }),
      RUNS,
    );
  });

  test("URLs, checksums and sizes", { timeout: LIMIT_MS }, async () => {
    const url = `https://${MEMBER_HOST}/x.img`;
    const body = fc.oneof(
      fc.string().map((text) => ({ url: text })),
      fc.string().map((text) => ({ url: `ftp://${encodeURIComponent(text)}` })),
      fc
        .tuple(fc.constantFrom("md5", "sha1", "sha256", "sha512"), fc.string())
        .map(([name, hex]) => ({ url, [name]: hex })),
      fc
        .oneof(
          fc.double({ noInteger: true }),
          fc.integer({ max: -1 }),
          fc.constantFrom(2 ** 53, 1e308, -0.5, "5", true, [5]),
        )
        .filter((size) => !(typeof size === "number" && !Number.isFinite(size)))
        .map((size) => ({ url, size })),
      fc.string({ minLength: 1 }).map((name) => ({ url, [`x-${name}`]: 1 })),
    );
    await fc.assert(
      fc.asyncProperty(body, async (json) => {
        const answer = await call(edge.port, "PUT", `${draft}/image`, { token: admin, json, headers: LOCATION });
        expect(problemOf(answer).fields.every((field) => field.startsWith("location."))).toBe(true);
        await expectRefused(answer);
      }),
      RUNS,
    );
  });

  test("ids, types, fields and keys in a path", { timeout: LIMIT_MS }, async () => {
    const part = fc.oneof(
      fc
        .string({ minLength: 1 })
        .map(encodeURIComponent)
        .filter((text) => text !== "." && text !== ".."),
      fc.constantFrom(
        "%00",
        "%zz",
        "..%2f",
        "%2e%2e",
        "toString",
        "__proto__",
        "all",
        "images",
        "\u0000".repeat(0) || "x",
      ),
    );
    const methods = fc.constantFrom("GET", "PATCH", "DELETE");
    await fc.assert(
      fc.asyncProperty(part, part, methods, async (type, id, method) => {
        const answer = await call(edge.port, method, `/artifacts/${type}/${id}`, { token: admin, headers: PATCH });
        expect(answer.status).toBe(404);
        await expectRefused(answer);
      }),
      RUNS,
    );
    await fc.assert(
      fc.asyncProperty(part, async (field) => {
        fc.pre(!["image", "mirrors"].includes(decode(field)));
        const answer = await call(edge.port, "PUT", `${draft}/${field}`, { token: admin, json: {}, headers: LOCATION });
        await expectRefused(answer);
      }),
      RUNS,
    );
  });

  test("patches", { timeout: LIMIT_MS }, async () => {
    const fixed = [
      "/name",
      "/version",
      "/id",
      "/owner",
      "/disk_format",
      "/bogus",
      "/image",
      "/mirrors/x",
      "/created_at",
    ];
    const operation = fc.record({
      op: fc.constantFrom("add", "replace", "spin", "move", ""),
      path: fc.oneof(fc.constantFrom(...fixed), fc.string()),
      value: fc.oneof(
        fc.string().map((text) => `x${text}`),
        fc.integer(),
      ),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(operation, { minLength: 1, maxLength: 4 }), async (json) => {
        await expectRefused(await call(edge.port, "PATCH", active, { token: member, json, headers: PATCH }));
      }),
      RUNS,
    );
  });

  test("parameters of a list", { timeout: LIMIT_MS }, async () => {
    const name = fc.oneof(fc.constantFrom("limit", "marker", "status", "visibility"), fc.string({ minLength: 1 }));
    await fc.assert(
      fc.asyncProperty(name, fc.string(), async (key, value) => {
        fc.pre(key !== "name" && key !== "owner" && !(key === "limit" && /^\d+$/.test(value)));
        const query = `${encodeURIComponent(key)}=${encodeURIComponent(value)}`;
        const answer = await call(edge.port, "GET", `/artifacts/images?${query}`, { token: member });
        expect(problemOf(answer).fields[0]).toMatch(/^query\./);
        await expectRefused(answer);
      }),
      RUNS,
    );
  });

  test("headers: If-Match, Content-Type, credentials", { timeout: LIMIT_MS }, async () => {
    const visible = fc.stringMatching(/^[!-~]{1,40}$/);
    await fc.assert(
      fc.asyncProperty(visible, async (value) => {
        fc.pre(!/^(\*|(W\/)?"[^"]*"(,(W\/)?"[^"]*")*)$/.test(value));
        const headers = { "If-Match": value };
        await expectRefused(await call(edge.port, "DELETE", draft, { token: member, headers }));
      }),
      RUNS,
    );
    await fc.assert(
      fc.asyncProperty(visible, async (value) => {
        const headers = { "Content-Type": value };
        await expectRefused(await call(edge.port, "POST", "/artifacts/images", { token: member, body: "{}", headers }));
        await expectRefused(await call(edge.port, "PATCH", draft, { token: member, body: "[]", headers }));
      }),
      RUNS,
    );
    await fc.assert(
      fc.asyncProperty(visible, async (value) => {
        const headers = { Authorization: value };
        const answer = await call(edge.port, "DELETE", draft, { headers });
        expect([answer.status, problemOf(answer).fields]).toEqual([401, ["header.authorization"]]);
        await expectRefused(answer);
      }),
      RUNS,
    );
  });
});

describe("a JSON body", () => {
  const post = (body: string | Uint8Array, headers: Record<string, string> = JSON_TYPE) =>
    call(edge.port, "POST", "/artifacts/images", { token: member, body, headers });

  test("of more than 1 MiB is refused, by its length or while it comes", async () => {
    const large = await post(JSON.stringify({ name: "x".repeat(MIB) }));
    expect([large.status, problemOf(large).code]).toEqual([413, "payload-too-large"]);
    const headers = { ...JSON_TYPE, "X-Auth-Token": member, "Transfer-Encoding": "chunked" };
    const sent = start(edge.port, "POST", "/artifacts/images", headers);
    const answered = answerOf(sent);
    sent.write(`{"name":"${"x".repeat(2 * MIB)}`);
    const endless = await answered;
    expect([endless.status, problemOf(endless).code]).toEqual([413, "payload-too-large"]);
    sent.destroy();
    await expectRefused(large);
  });

  test("that nests too deep is refused before anything looks into it", async () => {
    const answer = await post(`${"[".repeat(100_000)}${"]".repeat(100_000)}`);
    expect([answer.status, problemOf(answer).rules]).toEqual([400, ["must nest at most 32 levels deep"]]);
  });

  test("that is no UTF-8, or coded, is refused", async () => {
    const latin = await post(Buffer.from('{"name":"gr\xfc\xdfe"}', "latin1"));
    expect([latin.status, problemOf(latin).rules]).toEqual([400, ["must be UTF-8"]]);
    const coded = await post("{}", { ...JSON_TYPE, "Content-Encoding": "gzip" });
    expect([coded.status, problemOf(coded).fields]).toEqual([415, ["header.content-encoding"]]);
  });

  test("with a charset in its type, or a byte order mark, is taken", async () => {
    const left = await records(edge);
    const type = { "Content-Type": "application/json; charset=utf-8" };
    const created = artifactOf(await post(JSON.stringify({ name: randomUUID() }), type));
    const marked = artifactOf(await post(`\ufeff${JSON.stringify({ name: randomUUID() })}`));
    for (const { id } of [created, marked])
      await call(edge.port, "DELETE", `/artifacts/images/${id}`, { token: member });
    expect(await records(edge)).toBe(left);
    before = await snapshot(edge);
  });

  test("whose client leaves half way is no fault of ours", async () => {
    const socket = connect(edge.port, "127.0.0.1");
    socket.write(`POST /artifacts/images HTTP/1.1\r\nHost: x\r\nX-Auth-Token: ${member}\r\n`);
    socket.write("Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{");
    socket.end();
    await text(socket);
    expect(await snapshot(edge)).toBe(before);
  });
});

function parses(body: string): boolean {
  try {
    JSON.parse(body);
    return true;
  } catch {
    return false;
  }
}

function decode(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}
