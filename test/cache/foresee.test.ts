import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import type { SeenAnswer } from "../support/http-client.ts";
import { setPolicy } from "../support/policy-client.ts";

// What `explain` foresees of quotas, of turns and of room is what then happens, and asking for it changes nothing.

const CACHE = 1_048_576;
const SIZE = 100_000;
const POLICY = {
  access: [{ name: "proxied", match: { origin: { paths: ["/proxy/**"] } }, mode: "proxy" }],
  content: [
    { name: "queued", match: { origin: { paths: ["/queue/**"] } }, on_full: "queue" },
    { name: "rejected", match: { origin: { paths: ["/reject/**"] } }, on_full: "reject" },
  ],
};

let cistern: Embedded;
let origin: FaultOrigin;
let sequence = 0;

beforeAll(async () => {
  origin = await startFaultOrigin();
  cistern = await startEmbedded({ env: { CISTERN_CACHE_BYTES: String(CACHE) } });
  await setPolicy(cistern, POLICY);
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

interface Image {
  readonly path: string;
  readonly at: string;
  readonly sha256: string;
  release(): void;
}

async function image(rule: string, size = SIZE, { sized = true, held = false } = {}): Promise<Image> {
  sequence += 1;
  const at = `/${rule}/${sequence}`;
  const bytes = randomBytes(size);
  const gate = Promise.withResolvers<void>();
  origin.serve(at, bytes, held ? { hold: { at: 1, until: gate.promise } } : {});
  const sha256 = digestOf(bytes);
  const path = await cistern.image({ url: origin.url(at), sha256, ...(sized ? { size } : {}) });
  return { path, at, sha256, release: () => gate.resolve() };
}

async function send(method: string, path: string, body: unknown, headers = {}): Promise<SeenAnswer> {
  const json = { "Content-Type": "application/json", ...headers };
  const answer = await cistern.ask(method, path, { headers: json, body: JSON.stringify(body) });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString()}`);
  return answer;
}

const setQuota = (name: string, value: number | null) =>
  send("PUT", "/quotas", [{ project_id: "admin", project_quotas: [{ quota_name: name, quota_value: value }] }], {
    "If-Match": "*",
  });

async function get(path: string): Promise<unknown> {
  const { headers: _, body } = await cistern.ask("GET", path);
  return JSON.parse(body.toString());
}

/** Everything that a request could have changed. */
async function state(): Promise<string> {
  const { use } = (await get("/v1/capacity")) as { use: unknown };
  const { fills } = (await get("/v1/fills?limit=1000")) as { fills: readonly { id: string }[] };
  const rest = await Promise.all(["/v1/contents?limit=1000", "/project-quotas/admin", "/quotas"].map(get));
  return JSON.stringify([use, fills.map(({ id }) => id), ...rest]);
}

/** What is told beforehand; asked twice, for asking changes nothing. */
async function foreseen({ path, at }: Image): Promise<unknown> {
  const id = path.split("/").at(-2);
  const question = { artifact: { type: "images", id, blob: "image" } };
  const before = await state();
  const requests = origin.requests(at).length;
  const [first, second] = [
    await send("POST", "/v1/policies/explain", question),
    await send("POST", "/v1/policies/explain", question),
  ].map(({ body }) => JSON.parse(body.toString()).outcome);
  expect(second).toEqual(first);
  expect(await state()).toBe(before);
  expect(origin.requests(at)).toHaveLength(requests);
  const { would, denial, kept, waits_for: waits } = first;
  if (would === "denied") return { would, status: denial.status, code: denial.code };
  return { would, ...(would === "fill" ? { kept, waits } : {}) };
}

/** What came of a request, in the same words. */
async function happened({ path, sha256 }: Image): Promise<unknown> {
  const { status, headers, body } = await cistern.ask("GET", path);
  if (status >= 400) return { would: "denied", status, code: JSON.parse(body.toString()).error.code };
  const cache = String(headers["cache-status"]);
  if (cache.includes("collapsed")) return { would: "follow" };
  if (cache.includes("hit")) return { would: "hit" };
  // Kept is what is there once the fetch is over.
  const running = `/v1/fills?state=running&artifact=${path.split("/").at(-2)}`;
  await expect.poll(async () => (await get(running)) as object).toMatchObject({ fills: [] });
  const kept = (await cistern.ask("GET", `/v1/contents/${sha256}`)).status === 200;
  return { would: "fill", kept, waits: [] };
}

const FILL = { would: "fill", kept: true, waits: [] };
const SPENT = { would: "denied", status: 429, code: "egress-quota" };

describe("what is foreseen is what then happens", () => {
  test("where a project has fetched what it may today", async () => {
    const BYTES = "max_fetched_bytes_per_day";
    const used = async () => JSON.parse(JSON.stringify(await get("/project-quotas/admin")))[0].project_quotas[0];
    const [cached, running] = [await image("pass"), await image("pass", SIZE, { held: true })];
    expect([await foreseen(cached), await happened(cached)]).toEqual([FILL, FILL]);
    const first = happened(running);
    await origin.requested(running.at);
    const both = async (one: Image) => [await foreseen(one), await happened(one)];

    await setQuota(BYTES, (await used()).quota_usage + SIZE - 1);
    expect(await both(await image("pass"))).toEqual([SPENT, SPENT]);
    await setQuota(BYTES, 0);
    for (const sized of [true, false]) expect(await both(await image("pass", SIZE, { sized }))).toEqual([SPENT, SPENT]);
    // What is here, or on its way, is no matter of quotas.
    expect(await both(cached)).toEqual([{ would: "hit" }, { would: "hit" }]);
    const told = await foreseen(running);
    const follows = happened(running);
    await expect.poll(() => get("/v1/fills?state=running")).toMatchObject({ fills: [{ followers: 2 }] });
    running.release();
    expect([told, await follows]).toEqual([{ would: "follow" }, { would: "follow" }]);
    await first;
    await setQuota(BYTES, (await used()).quota_usage + 10 * SIZE);
    for (const sized of [true, false]) expect(await both(await image("pass", SIZE, { sized }))).toEqual([FILL, FILL]);
    await setQuota(BYTES, null);
  }, 60_000);

  test("where a project has as many fetches under way as it may", async () => {
    await setQuota("max_concurrent_fills", 1);
    const [running, next] = [await image("pass", SIZE, { held: true }), await image("pass")];
    expect(await foreseen(next)).toEqual(FILL);
    const first = happened(running);
    await origin.requested(running.at);
    expect(await foreseen(next)).toEqual({ ...FILL, waits: ["turn"] });
    const waiting = happened(next);
    await delay(300);
    expect(origin.requests(next.at)).toEqual([]);
    running.release();
    await first;
    expect(await waiting).toEqual(FILL);
    await setQuota("max_concurrent_fills", 0);
    // Nobody's end would let it in.
    expect(await foreseen(await image("pass"))).toEqual({ would: "denied", status: 503, code: "too-busy" });
    await setQuota("max_concurrent_fills", null);
  }, 60_000);

  test("where there is no room", async () => {
    await send("POST", "/v1/purges", { query: { all: true } });
    await expect.poll(async () => (await get("/v1/contents")) as object).toMatchObject({ contents: [] });
    const old = await image("pass");
    await happened(old);
    // Uploaded bytes never go.
    const { id } = JSON.parse((await send("POST", "/artifacts/files", { name: "ballast" })).body.toString());
    const upload = { headers: { "Content-Type": "application/octet-stream" }, body: randomBytes(900_000) };
    expect((await cistern.ask("PUT", `/artifacts/files/${id}/file`, upload)).status).toBe(200);
    const both = async (one: Image) => [await foreseen(one), await happened(one)];

    // What is cached goes for it: when it is asked for, and not when that is foreseen.
    const newer = await image("reject", 120_000);
    expect(await foreseen(newer)).toEqual(FILL);
    expect(await foreseen(old)).toEqual({ would: "hit" });
    expect(await happened(newer)).toEqual(FILL);
    expect(await foreseen(old)).toMatchObject({ would: "fill" });

    const reason = { reason: "nothing is to go" };
    await send("PUT", `/v1/contents/${newer.sha256}/pin`, reason);
    const passed = { would: "fill", kept: false, waits: [] };
    const full = { would: "denied", status: 507, code: "no-space" };
    expect(await both(await image("pass"))).toEqual([passed, passed]);
    expect(await both(await image("pass", SIZE, { sized: false }))).toEqual([passed, passed]);
    expect(await both(await image("pass", 2 * CACHE))).toEqual([passed, passed]);
    expect(await both(await image("proxy", 10))).toEqual([passed, passed]);
    expect(await both(await image("pass", 10))).toEqual([FILL, FILL]);
    expect(await both(await image("reject"))).toEqual([full, full]);
    expect(await both(await image("queue", 2 * CACHE))).toEqual([full, full]);

    const queued = await image("queue");
    expect(await foreseen(queued)).toEqual({ would: "fill", kept: true, waits: ["room"] });
    const waiting = happened(queued);
    await delay(1_000);
    expect(origin.requests(queued.at)).toEqual([]);
    expect((await cistern.ask("DELETE", `/v1/contents/${newer.sha256}/pin`)).status).toBeLessThan(300);
    expect(await waiting).toEqual(FILL);
  }, 90_000);
});
