import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { z } from "zod";
import { type Embedded, startEmbedded } from "../../support/embedded-app.ts";
import { digestOf, startFaultOrigin } from "../../support/fault-origin.ts";

type Origin = Awaited<ReturnType<typeof startFaultOrigin>>;

const MIB = 2 ** 20;
const DAY_LIMIT = 10 * MIB;
let app: Embedded;
let origin: Origin;

beforeAll(async () => {
  origin = await startFaultOrigin();
  const host = new URL(origin.url("/")).host;
  app = await startEmbedded({
    env: { CISTERN_ORIGIN_HOSTS: host, CISTERN_FETCHED_BYTES_PER_DAY: String(DAY_LIMIT) },
  });
});

afterAll(async () => {
  await app[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

const JSON_TYPE = { "Content-Type": "application/json" };
const put = (body: unknown, token?: string) =>
  app.ask("PUT", "/quotas", {
    headers: { ...JSON_TYPE, "If-Match": "*" },
    body: JSON.stringify(body),
    ...(token === undefined ? {} : { token }),
  });
const set = (project: string, name: string, value: number | null) =>
  put([{ project_id: project, project_quotas: [{ quota_name: name, quota_value: value }] }]);
const body = (answer: { readonly body: Buffer }): unknown => JSON.parse(answer.body.toString());
const BYTES = "max_fetched_bytes_per_day";
const FILLS = "max_concurrent_fills";

let numbers = 0;
/** An image of the project that is not cached; answers its path, and the origin's. */
async function coldImage(token: string, size: number, recorded = true) {
  numbers += 1;
  const path = `/quota-${numbers}`;
  const content = { size, seed: path };
  origin.serve(path, content);
  const url = origin.url(path);
  const known = { sha256: digestOf(content, "sha256"), ...(recorded ? { size } : {}) };
  return { path, blob: await app.image({ url, ...known }, {}, token) };
}

const shown = z.array(
  z.object({
    project_id: z.string(),
    project_quotas: z.array(
      z.object({ quota_name: z.string(), quota_value: z.int(), quota_usage: z.int().optional() }),
    ),
  }),
);

async function usedBy(token: string): Promise<number | undefined> {
  const [own] = shown.parse(body(await app.ask("GET", "/project-quotas", { token })));
  return own?.project_quotas.find(({ quota_name }) => quota_name === BYTES)?.quota_usage;
}

describe("quotas", () => {
  test("are set and listed as Glare does it; what is not named stays, null takes back", async () => {
    expect((await set("blue", BYTES, 5)).status).toBe(200);
    expect((await set("blue", FILLS, -1)).status).toBe(200);
    expect(body(await app.ask("GET", "/quotas"))).toEqual({
      quotas: [
        {
          project_id: "blue",
          project_quotas: [
            { quota_name: BYTES, quota_value: 5 },
            { quota_name: FILLS, quota_value: -1 },
          ],
        },
      ],
      global_quotas: { [BYTES]: DAY_LIMIT, [FILLS]: 250 },
      revision: expect.stringMatching(/^q[0-9a-f]{16}$/),
    });
    expect(body(await app.ask("GET", "/project-quotas/blue"))).toEqual([
      {
        project_id: "blue",
        project_quotas: [
          { quota_name: BYTES, quota_value: 5, quota_usage: 0 },
          { quota_name: FILLS, quota_value: -1 },
        ],
      },
    ]);
    await set("blue", BYTES, null);
    await set("blue", FILLS, null);
    expect(body(await app.ask("GET", "/quotas"))).toMatchObject({ quotas: [] });
    const audit = body(await app.ask("GET", "/v1/audit?object=quotas/blue&limit=1"));
    expect(audit).toMatchObject({
      entries: [{ action: "quota.set", before: { [FILLS]: -1 }, after: { [FILLS]: null } }],
    });
  });

  test("that have changed since they were seen are not overwritten", async () => {
    const tag = async () => (await app.ask("GET", "/quotas")).headers.etag ?? "";
    const change = (bytes: number, etag: string) =>
      app.ask("PUT", "/quotas", {
        headers: { ...JSON_TYPE, ...(etag === "" ? {} : { "If-Match": etag }) },
        body: JSON.stringify([{ project_id: "pink", project_quotas: [{ quota_name: BYTES, quota_value: bytes }] }]),
      });
    const seen = await tag();
    const without = await change(1, "");
    expect([without.status, without.body.toString()]).toEqual([428, expect.stringContaining("header.if-match")]);
    expect(await tag()).toBe(seen);
    const first = await change(1, seen);
    expect([first.status, first.headers.etag]).toEqual([200, await tag()]);
    expect(first.headers.etag).not.toBe(seen);
    const late = await change(2, seen);
    expect([late.status, late.body.toString()]).toEqual([412, expect.stringContaining("precondition-failed")]);
    expect(body(await app.ask("GET", "/quotas"))).toMatchObject({
      quotas: [{ project_id: "pink", project_quotas: [{ quota_name: BYTES, quota_value: 1 }] }],
      revision: (await tag()).slice(1, -1),
    });
    expect((await change(2, `"q0000000000000000", ${await tag()}`)).status).toBe(200);
    expect((await change(3, "*")).status).toBe(200);
    expect((await change(4, `W/${await tag()}`)).status).toBe(412);
    expect((await change(4, "q1")).status).toBe(400);
    // Of many that have seen the same one sets.
    const same = await tag();
    const statuses = await Promise.all([5, 6, 7, 8].map(async (bytes) => (await change(bytes, same)).status));
    expect(statuses.toSorted()).toEqual([200, 412, 412, 412]);
    expect((await set("pink", BYTES, null)).status).toBe(200);
    // What is set names itself: the same again is the same.
    expect(await tag()).toBe(seen);
  });

  test.for([
    [{}, "must be a list"],
    [[{ project_id: "blue" }], ""],
    [[{ project_id: "", project_quotas: [] }], ""],
    [[{ project_id: "blue", project_quotas: [{ quota_name: "max_wishes", quota_value: 1 }] }], ""],
    [[{ project_id: "blue", project_quotas: [{ quota_name: BYTES, quota_value: -2 }] }], ""],
    [[{ project_id: "blue", project_quotas: [{ quota_name: BYTES, quota_value: 1.5 }] }], ""],
    [[{ project_id: "blue", project_quotas: [{ quota_name: BYTES, quota_value: 2 ** 60 }] }], ""],
    [
      [
        { project_id: "one", project_quotas: [] },
        { project_id: "one", project_quotas: [] },
      ],
      "",
    ],
    [Array.from({ length: 1_001 }, (_, n) => ({ project_id: `p${n}`, project_quotas: [] })), ""],
  ])("refuse %j and change nothing", async ([given]) => {
    const before = body(await app.ask("GET", "/quotas"));
    const answer = await put(given);
    expect([400, 422]).toContain(answer.status);
    expect(body(await app.ask("GET", "/quotas"))).toEqual(before);
  });
});

describe("a project that has fetched what it may today", () => {
  test("is refused a recorded size that is too much before the origin is asked, with when to come again", async () => {
    const token = await app.token("red", ["member"]);
    const { path, blob } = await coldImage(token, DAY_LIMIT + 1);
    const answer = await app.ask("GET", blob, { token });
    expect([answer.status, answer.body.toString()]).toEqual([429, expect.stringContaining("egress-quota")]);
    const wait = Number(answer.headers["retry-after"]);
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(86_400);
    expect(origin.requests(path)).toEqual([]);
    expect(await usedBy(token)).toBe(0);
  });

  test("is served what is cached, and what others fetch; a higher quota holds at once", async () => {
    const token = await app.token("green", ["member"]);
    const first = await coldImage(token, 6 * MIB);
    const second = await coldImage(token, 6 * MIB);
    expect((await app.ask("GET", first.blob, { token })).status).toBe(200);
    expect(await usedBy(token)).toBe(6 * MIB);
    expect((await app.ask("GET", second.blob, { token })).status).toBe(429);
    const hit = await app.ask("GET", first.blob, { token });
    expect([hit.status, hit.headers["cache-status"]]).toEqual([200, "Cistern; hit"]);
    expect((await set("green", BYTES, 12 * MIB)).status).toBe(200);
    expect((await app.ask("GET", second.blob, { token })).status).toBe(200);
    expect(await usedBy(token)).toBe(12 * MIB);
    // A follower of another project's fill fetches nothing.
    expect(origin.requests(first.path).length).toBe(1);
  });

  test("is cut where nobody knew a length that could be charged, and is refused the next", async () => {
    const token = await app.token("grey", ["member"]);
    await set("grey", BYTES, MIB);
    numbers += 1;
    const path = `/chunked-${numbers}`;
    const content = { size: 3 * MIB, seed: path };
    const rest = Promise.withResolvers<void>();
    origin.serve(path, content, { framing: "chunked", hold: { at: 2 * MIB, until: rest.promise } });
    const blob = await app.image({ url: origin.url(path), sha256: digestOf(content, "sha256") }, {}, token);
    const read = app.ask("GET", blob, { token });
    await expect.poll(() => usedBy(token), { timeout: 5_000 }).toBe(2 * MIB);
    // What was told is judged right behind.
    await delay(500);
    rest.resolve();
    expect((await read).complete).toBe(false);
    const left = async () => body(await app.ask("GET", `/v1/audit?kind=egress&object=${origin.url(path)}`));
    await expect.poll(left, { timeout: 5_000 }).toMatchObject({ entries: [{ after: { outcome: "egress-quota" } }] });
    const next = await coldImage(token, 10, false);
    expect((await app.ask("GET", next.blob, { token })).status).toBe(429);
    expect(origin.requests(next.path)).toEqual([]);
  });

  test("is refused a length that only the answer tells, and its fill leaves nothing charged", async () => {
    const token = await app.token("pink", ["member"]);
    await set("pink", BYTES, MIB);
    const { blob } = await coldImage(token, 2 * MIB, false);
    expect((await app.ask("GET", blob, { token })).status).toBe(429);
    await delay(1_500);
    expect(await usedBy(token)).toBe(0);
  });

  test("is never the admins' project, unless its quota is set", async () => {
    const { blob } = await coldImage(app.adminToken, DAY_LIMIT + MIB);
    expect((await app.ask("GET", blob)).status).toBe(200);
    await set("admin", BYTES, 1);
    const other = await coldImage(app.adminToken, MIB);
    expect((await app.ask("GET", other.blob)).status).toBe(429);
    await set("admin", BYTES, null);
    expect((await app.ask("GET", other.blob)).status).toBe(200);
  });
});

describe("what left", () => {
  test("is in the audit with project, address, bytes and digest, without secrets", async () => {
    const token = await app.token("lime", ["member"]);
    numbers += 1;
    const content = { size: MIB, seed: "audited" };
    origin.serve("/audited", content);
    const sha256 = digestOf(content, "sha256");
    const blob = await app.image({ url: origin.url("/audited?token=geheim"), sha256 }, {}, token);
    await app.ask("GET", blob, { token });
    const entries = async () =>
      z
        .object({ entries: z.array(z.unknown()) })
        .parse(body(await app.ask("GET", "/v1/audit?kind=egress&project=lime"))).entries;
    await expect.poll(async () => (await entries()).length, { timeout: 5_000 }).toBe(1);
    expect(await entries()).toMatchObject([
      {
        action: "egress.get",
        actor: "system",
        address: "127.0.0.1",
        object: origin.url("/audited?token=***"),
        after: { blob: blob.slice(1).replace("/images/", "/"), status: 200, bytes: MIB, outcome: "passed", sha256 },
      },
    ]);
    expect(JSON.stringify(await entries())).not.toContain("geheim");
  });
});
