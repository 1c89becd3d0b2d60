import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, type Location, startEmbedded } from "../support/embedded-app.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import type { SeenAnswer } from "../support/http-client.ts";
import { setPolicy } from "../support/policy-client.ts";

const SIZE = 20_000;
const HYPERVISOR = "10.1.2.3";
const OFFICE = "192.0.2.7";
const STRANGER = "203.0.113.9";

const POLICY = {
  access: [
    { name: "nobody", match: { artifact: { names: ["*forbidden*"] } }, mode: "deny" },
    { name: "hypervisors", match: { clients: ["10.0.0.0/8"] }, mode: "cache" },
    { name: "office", match: { clients: ["192.0.2.0/24"] }, mode: "redirect" },
    { name: "strangers", match: { clients: ["203.0.113.0/24"], principal: { roles: ["reader"] } }, mode: "deny" },
  ],
  content: [
    { name: "known", match: { artifact: { tags: ["strict"] } }, require: "checksum" },
    { name: "small", match: { artifact: { tags: ["small"] } }, max_size: SIZE - 1 },
    { name: "kept", min_age: "P1D", prefetch: { from: "22:00", to: "06:00", time_zone: "Europe/Berlin" } },
  ],
};

let cistern: Embedded;
let origin: FaultOrigin;
let readers: Readonly<Record<string, string>>;
let sequence = 0;

beforeAll(async () => {
  origin = await startFaultOrigin();
  const host = `127.0.0.1:${origin.port}`;
  cistern = await startEmbedded({
    env: { CISTERN_TRUSTED_PROXIES: "127.0.0.1/32", CISTERN_REDIRECT_HOSTS: host, CISTERN_ORIGIN_HOSTS: host },
  });
  await setPolicy(cistern, POLICY);
  const token = (project: string, role: string) => cistern.token(project, [role]);
  readers = { admin: cistern.adminToken, own: await token("admin", "reader"), other: await token("other", "member") };
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

interface Case {
  readonly tags?: readonly string[];
  readonly name?: string;
  readonly record: "digest" | "nothing";
  readonly state: "cold" | "cached" | "running";
  readonly reader: "admin" | "own" | "other";
  readonly client: string;
  readonly withAuthToken: boolean;
}

const roles = { admin: ["admin"], own: ["reader"], other: ["member"] };
const projects = { admin: "admin", own: "admin", other: "other" };

async function json(method: string, path: string, body: unknown, type = "application/json"): Promise<SeenAnswer> {
  const answer = await cistern.ask(method, path, { headers: { "Content-Type": type }, body: JSON.stringify(body) });
  if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.body.toString()}`);
  return answer;
}

/** Registers an image with these; answers its id. */
async function register(
  location: Location,
  { tags = [], name = "image" }: Pick<Case, "tags" | "name">,
): Promise<string> {
  sequence += 1;
  const record = { name: `${name}-${sequence}`, tags, container_format: "bare", disk_format: "raw" };
  const { id } = JSON.parse((await json("POST", "/artifacts/images", record)).body.toString());
  const type = "application/vnd+openstack.glare-custom-location+json";
  await json("PUT", `/artifacts/images/${id}/image`, location, type);
  const activate = [{ op: "replace", path: "/status", value: "active" }];
  await json("PATCH", `/artifacts/images/${id}`, activate, "application/json-patch+json");
  return id;
}

async function explained(id: string, { reader, client, withAuthToken }: Case) {
  const answer = await json("POST", "/v1/policies/explain", {
    artifact: { type: "images", id, blob: "image" },
    principal: { token: "t", project: projects[reader], roles: roles[reader] },
    client,
    x_auth_token: withAuthToken,
  });
  return JSON.parse(answer.body.toString());
}

function get(id: string, { reader, client, withAuthToken }: Case): Promise<SeenAnswer> {
  const secret = readers[reader] ?? "";
  const credential: Record<string, string> = withAuthToken
    ? { "X-Auth-Token": secret }
    : { Authorization: `Bearer ${secret}` };
  const headers = { ...credential, "X-Forwarded-For": client };
  return cistern.ask("GET", `/artifacts/images/${id}/image`, { token: null, headers });
}

/** What a request came to, in the words of `explain`. */
function happened({ status, headers, body }: SeenAnswer): unknown {
  if (status === 302) return { would: "redirect", url: headers.location };
  if (status >= 400) return { would: "denied", status, code: JSON.parse(body.toString()).error.code };
  const [cache = ""] = [String(headers["cache-status"])];
  if (cache.includes("collapsed")) return { would: "follow" };
  return { would: cache.includes("hit") ? "hit" : "fill" };
}

const CASES: Case[] = [];
for (const client of [HYPERVISOR, OFFICE, STRANGER, "198.51.100.1"]) {
  for (const reader of ["admin", "own", "other"] as const) {
    for (const state of ["cold", "cached", "running"] as const) {
      CASES.push({ record: "digest", state, reader, client, withAuthToken: false });
    }
    CASES.push({ record: "digest", state: "cold", reader, client, withAuthToken: true });
    CASES.push({ record: "nothing", state: "cold", reader, client, withAuthToken: false });
    CASES.push({ record: "nothing", tags: ["strict"], state: "cold", reader, client, withAuthToken: false });
    CASES.push({ record: "digest", tags: ["strict"], state: "cold", reader, client, withAuthToken: false });
    CASES.push({ record: "digest", name: "forbidden", state: "cold", reader, client, withAuthToken: false });
    CASES.push({ record: "digest", tags: ["small"], state: "cold", reader, client, withAuthToken: false });
  }
}

test("what explain says is what then happens, in every case of a table", async () => {
  const seen = new Map<string, number>();
  // Registered before the policy, which would not have all of them.
  await setPolicy(cistern, { access: [], content: [] });
  const prepared = [];
  for (const one of CASES) {
    const bytes = randomBytes(SIZE);
    const path = `/explained-${sequence}`;
    const gate = Promise.withResolvers<void>();
    origin.serve(path, bytes, one.state === "running" ? { hold: { at: 1, until: gate.promise } } : {});
    const location = one.record === "digest" ? { sha256: digestOf(bytes), size: SIZE } : {};
    prepared.push({ one, path, gate, id: await register({ url: origin.url(path), ...location }, one) });
  }
  await setPolicy(cistern, POLICY);
  for (const { one, path, gate, id } of prepared) {
    const first = { ...one, reader: "admin", client: HYPERVISOR } as const;
    if (one.state === "cached") await expect.poll(async () => happened(await get(id, first))).toEqual({ would: "hit" });
    const running = one.state === "running" ? get(id, first) : undefined;
    if (running !== undefined) await origin.requested(path);
    const before = origin.requests(path).length;
    const { outcome, access } = await explained(id, one);
    expect(origin.requests(path), "explain has asked the origin").toHaveLength(before);
    const answer = get(id, one);
    if (running !== undefined) setTimeout(() => gate.resolve(), 50);
    const real = happened(await answer);
    const told =
      outcome.would === "denied"
        ? { would: "denied", status: outcome.denial.status, code: outcome.denial.code }
        : { would: outcome.would, ...(outcome.url === null ? {} : { url: outcome.url }) };
    expect(told, JSON.stringify({ one, access, outcome, real })).toEqual(real);
    gate.resolve();
    await running;
    seen.set(outcome.would, (seen.get(outcome.would) ?? 0) + 1);
  }
  // The table would prove little if one of them never came.
  expect([...seen.keys()].sort()).toEqual(["denied", "fill", "follow", "hit", "redirect"]);
}, 240_000);

test("it names each rule that matches, each field's rule, the origin, and the condition of a redirect", async () => {
  origin.serve("/named", randomBytes(100));
  const url = `${origin.url("/named")}?token=abcdefghijklmnopqrstuvwxyz0123456789`;
  const id = await register({ url, sha256: "a".repeat(64) }, { tags: ["strict"] });
  const answer = await json("POST", "/v1/policies/explain", {
    artifact: { type: "images", id, blob: "image" },
    principal: { project: "admin", roles: ["reader"] },
    client: OFFICE,
    time: "2026-01-15T12:00:00Z",
  });
  const said = JSON.parse(answer.body.toString());
  expect(said).toMatchObject({
    access: { mode: "redirect", rule: "office", matching: [{ rule: "office" }, { rule: "built-in", mode: "cache" }] },
    content: {
      require: { value: "checksum", rule: "known" },
      verify: { value: "on-first-read", rule: "built-in" },
      min_age: { value: "P1D", rule: "kept" },
      max_age: null,
    },
    content_rules: ["known", "kept"],
    prefetch_at: "2026-01-15T21:00:00.000Z",
    origin: {
      host: "127.0.0.1",
      port: origin.port,
      path: "/named",
      secret: null,
      redirectable: true,
      address: { allowed: true, addresses: [{ address: "127.0.0.1", allowed: true }] },
    },
    outcome: { would: "fill", not_redirected: "the URL carries a secret", denial: null },
  });
  expect(answer.body.toString()).not.toContain("abcdefghijklmnopqrstuvwxyz");
});

test("a URL is explained as if it were registered, and not dialled", async () => {
  const ask = async (url: string, record?: unknown) =>
    JSON.parse(
      (
        await json("POST", "/v1/policies/explain", { url, ...(record === undefined ? {} : { record }) })
      ).body.toString(),
    );
  expect(await ask(origin.url("/x"))).toMatchObject({ outcome: { would: "fill" }, mirrors: [], cached: null });
  expect(await ask("http://10.0.0.1/x")).toMatchObject({
    origin: { address: { allowed: false, code: "address-not-allowed" } },
    outcome: { would: "denied", denial: { status: 403, code: "address-not-allowed" } },
  });
  expect(await ask(origin.url("/x"), { tags: ["strict"] })).toMatchObject({
    outcome: { denial: { code: "policy-denied" } },
  });
  expect(await ask("http://no-such-name.invalid/x")).toMatchObject({
    origin: { address: { allowed: false, addresses: [] } },
  });
  // Of other paths a prefetch may be under way: a rule has one by night.
  expect(origin.requests("/x")).toEqual([]);
});

test("a member asks about its own project's records and principals only, and learns no address", async () => {
  const member = { token: readers.other ?? "", headers: { "Content-Type": "application/json" } };
  const ask = (body: unknown) => cistern.ask("POST", "/v1/policies/explain", { ...member, body: JSON.stringify(body) });
  const foreign = await register({ url: origin.url("/foreign"), sha256: "b".repeat(64) }, {});
  expect((await ask({ artifact: { type: "images", id: foreign, blob: "image" } })).status).toBe(404);
  const own = await ask({ url: origin.url("/own") });
  expect(own.status).toBe(200);
  expect(JSON.parse(own.body.toString())).toMatchObject({
    content: { require: { value: "checksum", rule: "built-in" } },
    origin: { set_by: "member", address: null },
  });
  expect((await ask({ url: origin.url("/own"), principal: { project: "admin", roles: ["reader"] } })).status).toBe(403);
  expect((await ask({ url: origin.url("/own"), record: { project: "admin" } })).status).toBe(404);
});
