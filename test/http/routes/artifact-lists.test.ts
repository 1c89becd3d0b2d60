import { randomUUID } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { activeImage, putLocation, replace, someImage } from "../artifacts.ts";
import { artifactOf, call, LOCATION_TYPE, problemOf } from "../call.ts";
import { type Edge, MEMBER_HOST, openEdge, snapshot } from "../edge.ts";

let edge: Edge;
let admin = "";
let member = "";
let stranger = "";
let reader = "";
let auditor = "";
const URL_OF = `https://${MEMBER_HOST}/debian.qcow2`;
const SHA256 = "a".repeat(64);

beforeAll(async () => {
  edge = await openEdge();
  admin = await edge.token("admin", ["admin"]);
  member = await edge.token("blue", ["member"]);
  reader = await edge.token("blue", ["reader"]);
  stranger = await edge.token("red", ["member"]);
  auditor = await edge.token("audit", ["auditor"]);
});

afterAll(async () => {
  expect(edge.faults).toEqual([]);
  await edge[Symbol.asyncDispose]();
});

describe("listing artifacts", () => {
  test("goes page by page, newest first, through what the caller may see", async () => {
    const project = randomUUID();
    const token = await edge.token(project, ["member"]);
    const paths: string[] = [];
    for (let index = 0; index < 5; index += 1) paths.unshift(await someImage(edge, token));
    const seen: string[] = [];
    let next: string | undefined = `/artifacts/images?owner=${project}&limit=2`;
    while (next !== undefined) {
      const answer = await call(edge.port, "GET", next, { token });
      const page = answer.json() as { artifacts: { id: string }[]; next?: string; first: string; total_count: number };
      expect(page).toMatchObject({ type_name: "images", schema: "/schemas/images", total_count: 5 });
      expect(page.first).toBe(`/artifacts/images?owner=${project}&limit=2`);
      seen.push(...page.artifacts.map(({ id }) => `/artifacts/images/${id}`));
      next = page.next;
    }
    expect(seen).toEqual(paths);
    const others = await call(edge.port, "GET", `/artifacts/images?owner=${project}`, { token: stranger });
    expect(others.json()).toMatchObject({ artifacts: [], total_count: 0 });
    const audited = await call(edge.port, "GET", `/artifacts/all?owner=${project}&status=drafted`, { token: auditor });
    expect(audited.json()).toMatchObject({ total_count: 5, type_name: "all" });
  });

  test("a marker that the caller may not see is as one that never was", async () => {
    const hidden = (await someImage(edge, member)).split("/").at(-1);
    const answers = await Promise.all(
      [hidden, randomUUID()].map((id) => call(edge.port, "GET", `/artifacts/images?marker=${id}`, { token: stranger })),
    );
    expect(answers.map(({ status }) => status)).toEqual([400, 400]);
    expect(answers[0]?.text).toBe(answers[1]?.text);
  });

  test.each([
    ["limit=0", "query.limit"],
    ["limit=1001", "query.limit"],
    ["limit=-1", "query.limit"],
    ["limit=1e2", "query.limit"],
    ["limit=", "query.limit"],
    ["limit=1&limit=2", "query.limit"],
    ["marker=1", "query.marker"],
    ["status=deleted", "query.status"],
    ["visibility=shared", "query.visibility"],
    ["name=", "query.name"],
    ["name=%00", "query.name"],
    ["sort=name:asc", "query.sort"],
    ["version=latest", "query.version"],
    ["=x", "query."],
  ])("by ?%s is refused at %s", async (query, field) => {
    const answer = await call(edge.port, "GET", `/artifacts/images?${query}`, { token: member });
    expect([answer.status, problemOf(answer).fields]).toEqual([400, [field]]);
  });
});

describe("reading an artifact again", () => {
  test("is 304 while its revision is the same", async () => {
    const path = await someImage(edge, member);
    const { etag } = (await call(edge.port, "GET", path, { token: member })).headers;
    const headers = { "If-None-Match": etag };
    const same = await call(edge.port, "GET", path, { token: member, headers });
    expect([same.status, same.length, same.headers.etag]).toEqual([304, 0, etag]);
    artifactOf(await replace(edge, member, path, "description", "x"));
    expect((await call(edge.port, "GET", path, { token: member, headers })).status).toBe(200);
  });
});

describe("methods", () => {
  test.each([
    ["PUT", "/artifacts/images", "GET, HEAD, POST"],
    ["DELETE", "/artifacts/images", "GET, HEAD, POST"],
    ["POST", `/artifacts/images/${randomUUID()}`, "GET, HEAD, PATCH, DELETE"],
    ["PATCH", `/artifacts/images/${randomUUID()}/image`, "GET, HEAD, PUT, DELETE"],
    ["POST", `/artifacts/images/${randomUUID()}/mirrors/a`, "GET, HEAD, PUT, DELETE"],
  ])("%s %s is 405 and says what is allowed", async (method, path, allow) => {
    const answer = await call(edge.port, method, path, { token: admin });
    expect([answer.status, answer.headers.allow, problemOf(answer).code]).toEqual([405, allow, "method-not-allowed"]);
  });

  test("HEAD has the headers of GET and never a body", async () => {
    const path = await someImage(edge, member);
    for (const target of [path, "/artifacts/images", `/artifacts/images/${randomUUID()}`, "/artifacts/nonsense"]) {
      const [head, get] = await Promise.all(
        ["HEAD", "GET"].map((method) => call(edge.port, method, target, { token: member })),
      );
      expect([head?.status, head?.length]).toEqual([get?.status, 0]);
      expect(head?.headers["content-type"]).toBe(get?.headers["content-type"]);
    }
  });
});

describe("what was refused", () => {
  test("has changed nothing", async () => {
    const path = await activeImage(edge, member, { url: URL_OF, sha256: SHA256 });
    const before = await snapshot(edge);
    const refused = await Promise.all([
      call(edge.port, "POST", "/artifacts/images", { token: member, json: {} }),
      replace(edge, stranger, path, "description", "x"),
      replace(edge, member, path, "name", "x"),
      putLocation(edge, member, `${path}/image`, { url: URL_OF }),
      call(edge.port, "PUT", `${path}/image`, { token: member, body: "bytes" }),
      call(edge.port, "PUT", `${path}/image`, {
        token: stranger,
        json: { url: URL_OF },
        headers: { "Content-Type": LOCATION_TYPE },
      }),
      call(edge.port, "DELETE", `${path}/mirrors/x`, { token: member }),
      call(edge.port, "DELETE", path, { token: reader }),
    ]);
    for (const { status } of refused) expect(status).toBeGreaterThanOrEqual(400);
    expect(await snapshot(edge)).toBe(before);
  });
});
