import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { operate, setPolicy } from "../support/policy-client.ts";

const SIZE = 2 * 1024 * 1024;

let cistern: Embedded;
let origin: FaultOrigin;
let sequence = 0;

beforeAll(async () => {
  origin = await startFaultOrigin();
  cistern = await startEmbedded({ env: { CISTERN_ORIGIN_HOSTS: new URL(origin.url("/")).host } });
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function image(behaviour: Behaviour = {}, token?: string) {
  sequence += 1;
  const source = `/${sequence}.img`;
  const bytes = randomBytes(SIZE);
  origin.serve(source, bytes, behaviour);
  const path = await cistern.image({ url: origin.url(source), sha256: digestOf(bytes) }, {}, token);
  return { id: path.split("/")[3] ?? "", path, source, bytes };
}

function held(): { behaviour: Behaviour; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { behaviour: { hold: { at: SIZE / 2, until: promise } }, open: resolve };
}

async function setCapacity(settings: object) {
  const { headers } = await operate(cistern, "GET", "/v1/capacity");
  const match = { "If-Match": String(headers.etag) };
  const answer = await operate(cistern, "PUT", "/v1/capacity", { body: JSON.stringify(settings), headers: match });
  expect(answer.status, answer.body.toString()).toBe(200);
  return JSON.parse(answer.body.toString()).limits;
}

async function setLimits(fills: object): Promise<void> {
  expect((await setCapacity({ fills })).fills).toMatchObject(fills);
}

async function fillsOf(query: string) {
  return JSON.parse((await operate(cistern, "GET", `/v1/fills?${query}`)).body.toString()).fills;
}

async function ask(artifact: string): Promise<string> {
  const answer = await operate(cistern, "POST", "/v1/fills", { body: JSON.stringify({ artifact }) });
  return JSON.parse(answer.body.toString()).id;
}

const stateOf = async (id: string) =>
  JSON.parse((await operate(cistern, "GET", `/v1/fills/${id}`)).body.toString()).state;

describe("limits that an operator sets, live", () => {
  test("what is beyond one project's waits for its turn, others go by; raised, it begins", async () => {
    const token = await cistern.token("crowd", ["member"]);
    await setLimits({ per_project: 2 });
    const holds = [held(), held()];
    const reads = [];
    for (const { behaviour } of holds) {
      const { path, source } = await image(behaviour, token);
      reads.push(cistern.ask("GET", path, { token }));
      await origin.requested(source);
    }
    const [waiting, third] = [await image({}, token), await image({}, token)];
    const waits = cistern.ask("GET", waiting.path, { token });
    await expect
      .poll(() => fillsOf(`artifact=${waiting.id}`), { timeout: 15_000 })
      .toMatchObject([{ state: "queued", kind: "demand" }]);
    const other = await image();
    expect((await cistern.ask("GET", other.path)).complete).toBe(true);
    expect(origin.requests(waiting.source)).toHaveLength(0);
    holds[0]?.open();
    expect((await waits).body.equals(waiting.bytes)).toBe(true);
    // Full again with the second held one and this one.
    const more = held();
    const again = await image(more.behaviour, token);
    reads.push(cistern.ask("GET", again.path, { token }));
    await origin.requested(again.source);
    const raised = cistern.ask("GET", third.path, { token });
    await expect.poll(() => fillsOf(`artifact=${third.id}`), { timeout: 15_000 }).toHaveLength(1);
    await setLimits({ per_project: 3 });
    expect((await raised).body.equals(third.bytes)).toBe(true);
    holds[1]?.open();
    more.open();
    for (const answer of await Promise.all(reads)) expect(answer.complete).toBe(true);
    await setLimits({});
  });

  test("whoever waits in vain is told to come back: 503 too-busy with Retry-After", async () => {
    await setLimits({ per_origin: 1 });
    const { behaviour, open } = held();
    const first = await image(behaviour);
    const reading = cistern.ask("GET", first.path);
    await origin.requested(first.source);
    const second = await image();
    const answer = await cistern.ask("GET", second.path);
    expect([answer.status, JSON.parse(answer.body.toString()).error.code]).toEqual([503, "too-busy"]);
    expect(Number(answer.headers["retry-after"])).toBeGreaterThan(0);
    open();
    expect((await reading).complete).toBe(true);
    await setLimits({});
  }, 60_000);

  test("a prefetch in a reader's way is put off, uses up no attempt, and goes on afterwards", async () => {
    await setLimits({ per_origin: 1 });
    const { behaviour, open } = held();
    const ahead = await image(behaviour);
    origin.serve(ahead.source, ahead.bytes, behaviour, {});
    const fill = await ask(ahead.id);
    await origin.requested(ahead.source);
    const wanted = await image();
    const answer = await cistern.ask("GET", wanted.path);
    expect([answer.complete, answer.body.equals(wanted.bytes)]).toEqual([true, true]);
    open();
    await expect.poll(() => stateOf(fill), { timeout: 30_000 }).toBe("done");
    const [done] = await fillsOf(`artifact=${ahead.id}&kind=prefetch`);
    expect(done).toMatchObject({ attempts: 1, bytes: SIZE });
    await setLimits({});
  }, 60_000);

  test("a limit that is none is refused", async () => {
    const { headers } = await operate(cistern, "GET", "/v1/capacity");
    const match = { "If-Match": String(headers.etag) };
    for (const fills of [{ total: 0 }, { per_project: 1.5 }, { per_origin: 10_001 }]) {
      const answer = await operate(cistern, "PUT", "/v1/capacity", { body: JSON.stringify({ fills }), headers: match });
      expect(answer.status).toBe(400);
    }
  });
});

describe("a prefetch that there is no room for", () => {
  test("is not fetched: not what the cache cannot keep, not what would take the spool from readers", async () => {
    const MIB = 1024 * 1024;
    await setCapacity({ cache_bytes: MIB, spool_bytes: 64 * MIB });
    const content = { size: 32 * MIB, seed: "too large" };
    origin.serve("/too-large.img", content);
    const path = await cistern.image({
      url: origin.url("/too-large.img"),
      sha256: digestOf(content),
      size: content.size,
    });
    const kept = path.split("/")[3] ?? "";
    const first = await ask(kept);
    const error = async () => (await fillsOf(`artifact=${kept}`))[0]?.error?.code;
    await expect.poll(error, { timeout: 15_000 }).toBe("no-space");
    expect(await stateOf(first)).toBe("queued");
    // What was on its way when that was known.
    expect(origin.bytesSent("/too-large.img")).toBeLessThan(content.size / 2);
    // Whoever reads is given it all the same.
    expect((await cistern.ask("GET", path)).complete).toBe(true);

    const location = { url: origin.url("/never.img"), sha256: "0".repeat(64), size: 60 * MIB };
    const large = (await cistern.image(location)).split("/")[3] ?? "";
    const second = await ask(large);
    await expect.poll(() => stateOf(second), { timeout: 15_000 }).toBe("failed");
    expect(await fillsOf(`artifact=${large}`)).toMatchObject([{ error: { code: "spool-full" } }]);
    expect(origin.requests("/never.img")).toHaveLength(0);
    await setCapacity({});
  });
});

describe("rules of the policy", () => {
  test("on-register brings what is registered here; a window has it wait; what may not be kept is not fetched", async () => {
    const version = { access: [], content: [{ name: "ahead", prefetch: "on-register" }] };
    await setPolicy(cistern, version);
    const now = await image();
    await expect
      .poll(async () => (await cistern.ask("HEAD", now.path)).headers["cache-status"], { timeout: 15_000 })
      .toBe("Cistern; hit");
    await expect
      .poll(() => fillsOf(`artifact=${now.id}`), { timeout: 15_000 })
      .toMatchObject([{ via: "register", asked_by: null, state: "done" }]);

    const hour = (new Date().getUTCHours() + 2) % 24;
    const from = `${String(hour).padStart(2, "0")}:00`;
    const to = `${String((hour + 1) % 24).padStart(2, "0")}:00`;
    const window = { from, to, time_zone: "UTC" };
    await setPolicy(cistern, { access: [], content: [{ name: "nightly", prefetch: window }] });
    const later = await image();
    await expect.poll(() => fillsOf(`artifact=${later.id}`), { timeout: 15_000 }).toHaveLength(1);
    const [fill] = await fillsOf(`artifact=${later.id}`);
    expect(fill).toMatchObject({ state: "queued", via: "register" });
    expect(fill.not_before).toContain(`T${from}:00.000Z`);
    expect(origin.requests(later.source)).toHaveLength(0);

    await setPolicy(cistern, { access: [{ name: "none", mode: "proxy" }], content: [] });
    const proxied = await image();
    const id = await ask(proxied.id);
    await expect.poll(() => stateOf(id), { timeout: 15_000 }).toBe("failed");
    expect(await fillsOf(`artifact=${proxied.id}`)).toMatchObject([{ error: { code: "policy-denied" } }]);
    await setPolicy(cistern, { access: [], content: [] });
  });
});
