import { randomBytes } from "node:crypto";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Embedded, type Location, startEmbedded } from "../support/embedded-app.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { setPolicy } from "../support/policy-client.ts";

const SIZE = 64 * 1024;
const LOCATION = "application/vnd+openstack.glare-custom-location+json";
// The proxy in front states the client; it is trusted.
const HYPERVISOR = { "X-Forwarded-For": "10.1.2.3" };
const OFFICE = { "X-Forwarded-For": "192.0.2.7" };

let cistern: Embedded;
let origin: FaultOrigin;
let reader: { readonly Authorization: string };
let path: string;
let bytes: Buffer;
let sequence = 0;

beforeAll(async () => {
  origin = await startFaultOrigin();
  const host = `127.0.0.1:${origin.port}`;
  cistern = await startEmbedded({
    env: { CISTERN_TRUSTED_PROXIES: "127.0.0.1/32", CISTERN_REDIRECT_HOSTS: host, CISTERN_ORIGIN_HOSTS: host },
  });
  reader = { Authorization: `Bearer ${await cistern.token("admin", ["reader"])}` };
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

beforeEach(() => {
  sequence += 1;
  path = `/dir/image-${sequence}`;
  bytes = randomBytes(SIZE);
});

function image(record: "digest" | "nothing" = "digest", ...behaviours: Behaviour[]): Promise<string> {
  origin.serve(path, bytes, ...behaviours);
  return cistern.image(
    record === "digest" ? { url: origin.url(path), sha256: digestOf(bytes) } : { url: origin.url(path) },
  );
}

const get = (blob: string, headers: Readonly<Record<string, string>> = {}, method = "GET") =>
  cistern.ask(method, blob, { token: null, headers: { ...reader, ...headers } });

const isCached = async () => {
  const files = await readdir(join(cistern.dataDir, "store"), { recursive: true });
  return files.some((file) => file.includes(digestOf(bytes)));
};

const errorOf = (body: Buffer) =>
  JSON.parse(body.toString()).error as { readonly code: string; readonly message: string };

const OFFICE_IS_REDIRECTED = {
  access: [
    { name: "hypervisors", match: { clients: ["10.0.0.0/8"] }, mode: "cache" },
    { name: "office", match: { origin: { hosts: ["127.0.0.1"], paths: ["/dir/*"] } }, mode: "redirect" },
  ],
  content: [],
};

describe("access rules", () => {
  test("a hypervisor in 10.0.0.0/8 gets the cache while an office client is redirected", async () => {
    await setPolicy(cistern, OFFICE_IS_REDIRECTED);
    const blob = await image();
    const office = await get(blob, OFFICE);
    expect([office.status, office.headers.location]).toEqual([302, origin.url(path)]);
    const head = await get(blob, OFFICE, "HEAD");
    expect([head.status, head.headers.location]).toEqual([302, origin.url(path)]);
    expect(origin.requests(path)).toEqual([]);
    const hypervisor = await get(blob, HYPERVISOR);
    expect([hypervisor.status, digestOf(hypervisor.body)]).toEqual([200, digestOf(bytes)]);
    // Cached now: nobody has to go outside any more.
    await expect.poll(async () => (await get(blob, OFFICE)).status).toBe(200);
    expect(origin.requests(path)).toHaveLength(1);
  });

  test("a redirect whose conditions do not hold is served from the cache", async () => {
    await setPolicy(cistern, OFFICE_IS_REDIRECTED);
    const withoutDigest = await image("nothing");
    expect((await get(withoutDigest, OFFICE)).status).toBe(200);
    const own = await cistern.token("admin", ["reader"]);
    path = `${path}-2`;
    const blob = await image();
    expect((await cistern.ask("GET", blob, { token: own, headers: OFFICE })).status).toBe(200);
  });

  test.each(["Wget/1.21.3", "aria2/1.36.0", "Python-urllib/3.11"])(
    "%s, which would send its Authorization on to the origin, is not redirected",
    async (client) => {
      await setPolicy(cistern, OFFICE_IS_REDIRECTED);
      const blob = await image();
      expect((await get(blob, { ...OFFICE, "User-Agent": "curl/7.88.1" }, "HEAD")).status).toBe(302);
      expect((await get(blob, { ...OFFICE, "User-Agent": client }, "HEAD")).status).toBe(200);
      expect((await get(blob, { ...OFFICE, "User-Agent": client })).status).toBe(200);
    },
  );

  test("what is denied is refused with the rule's name, hot hits too; nobody who reads already is cut", async () => {
    await setPolicy(cistern, { access: [], content: [] });
    const gate = Promise.withResolvers<void>();
    const blob = await image("digest", { hold: { at: SIZE / 2, until: gate.promise } });
    let begun = () => {};
    const started = new Promise<void>((resolve) => {
      begun = resolve;
    });
    const reading = cistern.ask("GET", blob, {
      token: null,
      headers: { ...reader, ...OFFICE },
      onData: () => {
        begun();
        return true;
      },
    });
    // Small bodies wait for the verdict: this one has begun when the origin was asked.
    await Promise.race([started, origin.requested(path)]);
    const deny = { access: [{ name: "no office", match: { clients: ["192.0.2.0/24"] }, mode: "deny" }], content: [] };
    await setPolicy(cistern, deny);
    const refused = await get(blob, OFFICE);
    expect([refused.status, errorOf(refused.body).code]).toEqual([403, "policy-denied"]);
    expect(errorOf(refused.body).message).toContain('"no office"');
    gate.resolve();
    const read = await reading;
    expect([read.status, read.complete, digestOf(read.body)]).toEqual([200, true, digestOf(bytes)]);
    for (let time = 0; time < 3; time += 1) expect((await get(blob, HYPERVISOR)).status).toBe(200);
    expect((await get(blob, OFFICE)).status).toBe(403);
    expect((await get(blob, OFFICE, "HEAD")).status).toBe(403);
    expect((await get(`${blob}?checksum=sha256`, OFFICE)).status).toBe(403);
    expect((await get(blob, { ...OFFICE, "If-None-Match": `"${digestOf(bytes)}"` })).status).toBe(403);
  });

  const PROXY = {
    access: [{ name: "office", match: { clients: ["192.0.2.0/24"] }, mode: "proxy" }],
    content: [],
  };

  test("proxy passes on and keeps nothing, and serves what is cached", async () => {
    await setPolicy(cistern, PROXY);
    const blob = await image();
    expect(digestOf((await get(blob, OFFICE)).body)).toBe(digestOf(bytes));
    await expect.poll(async () => (await get(blob, OFFICE)).status && origin.requests(path).length).toBeGreaterThan(1);
    expect(await isCached()).toBe(false);
    await expect.poll(async () => (await get(blob, HYPERVISOR)).status && (await isCached())).toBe(true);
    const before = origin.requests(path).length;
    await expect.poll(async () => String((await get(blob, OFFICE)).headers["cache-status"])).toContain("hit");
    expect(origin.requests(path)).toHaveLength(before);
  });

  test("what proxy began is kept when somebody joins it who would have begun it in mode cache", async () => {
    await setPolicy(cistern, PROXY);
    const gate = Promise.withResolvers<void>();
    const blob = await image("digest", { hold: { at: 1, until: gate.promise } });
    const passing = get(blob, OFFICE);
    await origin.requested(path);
    const keeping = get(blob, HYPERVISOR);
    // Time for the second one to come as far as the fill.
    await new Promise((resolve) => setTimeout(resolve, 500));
    gate.resolve();
    for (const answer of await Promise.all([passing, keeping])) expect(digestOf(answer.body)).toBe(digestOf(bytes));
    await expect.poll(isCached).toBe(true);
    expect(origin.requests(path)).toHaveLength(1);
  });

  test("what a rule denies to everybody is fetched from no mirror, and over no redirect", async () => {
    await setPolicy(cistern, {
      access: [{ name: "not there", match: { origin: { paths: ["/bad/**"] } }, mode: "deny" }],
      content: [],
    });
    origin.serve(`/bad${path}`, bytes);
    origin.serve(path, bytes, { redirect: `/bad${path}` });
    const blob = await cistern.image({ url: origin.url(path), sha256: digestOf(bytes) });
    const refused = await get(blob);
    expect([refused.status, errorOf(refused.body).code]).toEqual([403, "policy-denied"]);
    expect(origin.requests(`/bad${path}`)).toEqual([]);
    // A mirror that leads elsewhere delivers all the same.
    origin.serve(`/good${path}`, bytes);
    const sha256 = digestOf(bytes);
    const mirrored = await cistern.image(
      { url: origin.url(path), sha256 },
      { other: { url: origin.url(`/good${path}`), sha256 } },
    );
    expect((await get(mirrored)).status).toBe(200);
    expect(origin.requests(`/bad${path}`)).toEqual([]);
  });
});

describe("content rules", () => {
  const put = (token: string, location: Location) => registration(token, location);

  async function registration(token: string, location: Location) {
    const json = (body: unknown, type = "application/json") => ({
      token,
      headers: { "Content-Type": type },
      body: JSON.stringify(body),
    });
    const record = { name: `of-rules-${sequence}`, container_format: "bare", disk_format: "raw" };
    const created = await cistern.ask("POST", "/artifacts/images", json(record));
    const { id } = JSON.parse(created.body.toString());
    return await cistern.ask("PUT", `/artifacts/images/${id}/image`, json(location, LOCATION));
  }

  test("a member's http URL needs a checksum by itself, an admin's does not", async () => {
    await setPolicy(cistern, { access: [], content: [] });
    const member = await cistern.token("alpha", ["member"]);
    origin.serve(path, bytes);
    const refused = await put(member, { url: origin.url(path) });
    const problem = JSON.parse(refused.body.toString());
    expect(refused.status).toBe(400);
    expect(JSON.stringify(problem)).toContain("location.sha256");
    expect(JSON.stringify(problem)).toContain("built-in");
    sequence += 1000;
    expect((await put(member, { url: origin.url(path), md5: "0".repeat(32) })).status).toBe(200);
    sequence += 1000;
    expect((await put(cistern.adminToken, { url: origin.url(path) })).status).toBe(200);
  });

  test("a record of before the rule is not fetched without a checksum", async () => {
    await setPolicy(cistern, { access: [], content: [] });
    const blob = await image("nothing");
    await setPolicy(cistern, { access: [], content: [{ name: "known bytes only", require: "checksum" }] });
    const refused = await get(blob);
    expect([refused.status, errorOf(refused.body).code]).toEqual([403, "policy-denied"]);
    expect(errorOf(refused.body).message).toContain("known bytes only");
    expect(origin.requests(path)).toEqual([]);
  });

  test.each([
    ["announced", {}],
    ["not announced", { framing: "chunked" } as const],
  ])("what is larger than max_size is not let in, when its length is %s", async (_, behaviour) => {
    await setPolicy(cistern, { access: [], content: [{ name: "small", max_size: SIZE - 1 }] });
    const blob = await image("digest", behaviour);
    const refused = await get(blob);
    expect([refused.status, errorOf(refused.body).code]).toEqual([403, "policy-denied"]);
    expect(errorOf(refused.body).message).toContain('"small"');
    expect(await isCached()).toBe(false);
    await setPolicy(cistern, { access: [], content: [{ name: "fits", max_size: SIZE }] });
    await expect.poll(async () => (await get(blob)).status).toBe(200);
  });

  test("on-register fetches, verifies and keeps before anybody reads", async () => {
    await setPolicy(cistern, { access: [], content: [{ name: "at once", verify: "on-register" }] });
    await image("nothing");
    await expect.poll(isCached).toBe(true);
    await setPolicy(cistern, { access: [], content: [] });
  });
});
