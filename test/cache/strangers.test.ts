import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { setPolicy } from "../support/policy-client.ts";

const SIZE = 64 * 1024;

let cistern: Embedded;
let slow: FaultOrigin;
let origin: FaultOrigin;
let owner: string;
let stranger: string;
let sequence = 0;
/** Bytes that one project has cached, and another one knows the digest of. */
let secret: Buffer;

beforeAll(async () => {
  origin = await startFaultOrigin();
  slow = await startFaultOrigin({ host: "127.0.0.2" });
  cistern = await startEmbedded({ env: { CISTERN_ORIGIN_HOSTS: `127.0.0.1:${origin.port},127.0.0.2:${slow.port}` } });
  owner = await cistern.token("owner", ["member"]);
  stranger = await cistern.token("stranger", ["member"]);
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await slow[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await setPolicy(cistern, { access: [], content: [] });
  secret = randomBytes(SIZE);
  const blob = await cistern.image({ url: served(secret), sha256: digestOf(secret) }, {}, owner);
  expect((await cistern.ask("GET", blob, { token: owner })).status).toBe(200);
});

/** A new URL that delivers these bytes. */
function served(bytes: Buffer): string {
  sequence += 1;
  const path = `/${sequence}.img`;
  origin.serve(path, bytes);
  return origin.url(path);
}

const requests = (url: string) => origin.requests(new URL(url).pathname).filter(({ method }) => method === "GET");

/** The stranger claims the digest for a URL of its own, which has other bytes. */
const claim = (url: string) => cistern.image({ url, sha256: digestOf(secret) }, {}, stranger);

async function json(method: string, path: string, body?: unknown) {
  const headers = { "Content-Type": "application/json" };
  const answer = await cistern.ask(method, path, {
    token: stranger,
    headers,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return JSON.parse(answer.body.toString());
}

describe("a digest of another project's content", () => {
  test.each([{ verify: "on-register" }, { prefetch: "on-register" }])(
    "is fetched at its registration, as if nobody had it, where a rule says %j",
    async (rule) => {
      await setPolicy(cistern, { access: [], content: [{ name: "eager", ...rule }] });
      const url = served(randomBytes(SIZE));
      await claim(url);
      await expect.poll(() => requests(url).length, { timeout: 5_000 }).toBeGreaterThan(0);
    },
  );

  test("brings a prefetch nothing: it fetches, and fails", async () => {
    const url = served(randomBytes(SIZE));
    const blob = await claim(url);
    const { id } = await json("POST", "/v1/fills", { artifact: blob.split("/")[3], pin_for: "P1D" });
    await expect.poll(async () => (await json("GET", `/v1/fills/${id}`)).state, { timeout: 15_000 }).toBe("failed");
    expect(requests(url).length).toBeGreaterThan(0);
    const question = { artifact: { type: "images", id: blob.split("/")[3], blob: "image" } };
    const explained = await json("POST", "/v1/policies/explain", question);
    expect(explained.cached).toBe(null);
  });
});

describe("the queue", () => {
  test("a query that waits for its own retries keeps no younger one from its turn", async () => {
    const down = served(randomBytes(SIZE));
    origin.behave(new URL(down).pathname, { status: 500 });
    await cistern.image({ url: down, sha256: digestOf(randomBytes(SIZE)) }, {}, owner);
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify({ query: {} });
    const first = await cistern.ask("POST", "/v1/fills", { token: owner, headers, body });
    expect(first.status).toBe(201);
    await expect.poll(() => requests(down).length, { timeout: 10_000 }).toBeGreaterThan(0);
    await new Promise((resolve) => setTimeout(resolve, 4_000));
    const bytes = randomBytes(SIZE);
    const url = served(bytes);
    await cistern.image({ url, sha256: digestOf(bytes) }, {}, stranger);
    await json("POST", "/v1/fills", { query: {} });
    await expect.poll(() => requests(url).length, { timeout: 20_000 }).toBe(1);
  });

  test("takes so many queries of a member's project and no more, and others' all the same", async () => {
    const crowd = await cistern.token("crowd", ["member"]);
    const body = JSON.stringify({ query: {}, not_before: new Date(Date.now() + 3_600_000).toISOString() });
    const headers = { "Content-Type": "application/json" };
    const asked = (token: string) => cistern.ask("POST", "/v1/fills", { token, headers, body });
    for (let n = 0; n < 100; n += 1) expect((await asked(crowd)).status).toBe(201);
    const refused = await asked(crowd);
    expect([refused.status, JSON.parse(refused.body.toString()).code]).toEqual([429, "too-many-requests"]);
    expect((await asked(stranger)).status).toBe(201);
    expect((await asked(cistern.adminToken)).status).toBe(201);
  });

  test("leaves others a place, however long one project's prefetches take", async () => {
    const rest = Promise.withResolvers<void>();
    const bytes = randomBytes(SIZE);
    for (let n = 0; n < 5; n += 1) {
      slow.serve(`/slow-${n}`, bytes, { hold: { at: 1, until: rest.promise } });
      const path = await cistern.image({ url: slow.url(`/slow-${n}`), sha256: digestOf(Buffer.from([n])) }, {}, owner);
      await cistern.ask("POST", "/v1/fills", {
        token: owner,
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify({ artifact: path.split("/")[3] }),
      });
    }
    await expect.poll(() => slow.requests().length, { timeout: 15_000 }).toBe(3);
    const fast = served(bytes);
    const blob = await cistern.image({ url: fast, sha256: digestOf(bytes) }, {}, stranger);
    await json("POST", "/v1/fills", { artifact: blob.split("/")[3] });
    await expect.poll(() => requests(fast).length, { timeout: 15_000 }).toBe(1);
    expect(slow.requests()).toHaveLength(3);
    rest.resolve();
  });

  test("what a second request makes of a waiting prefetch is in the audit", async () => {
    const bytes = randomBytes(SIZE);
    const blob = await cistern.image({ url: served(bytes), sha256: digestOf(bytes) }, {}, stranger);
    const artifact = blob.split("/")[3];
    const not_before = new Date(Date.now() + 3_600_000).toISOString();
    const { id } = await json("POST", "/v1/fills", { artifact, not_before, priority: 1 });
    await json("POST", "/v1/fills", { artifact, not_before, priority: 4, pin_for: "P30D" });
    const audit = await cistern.ask("GET", `/v1/audit?object=fills/${id}`);
    expect(JSON.parse(audit.body.toString()).entries).toMatchObject([
      { action: "fill.change", after: { priority: 4, not_before, pin_for: "P30D" } },
      { action: "fill.create", after: { priority: 1, not_before } },
    ]);
  });
});
