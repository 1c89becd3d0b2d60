import { randomBytes } from "node:crypto";
import { setTimeout as delay } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";

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

interface Image {
  readonly id: string;
  /** Of its bytes. */
  readonly path: string;
  readonly source: string;
  readonly bytes: Buffer;
}

async function image(behaviour?: Behaviour, token?: string, size = SIZE): Promise<Image> {
  sequence += 1;
  const source = `/image-${sequence}.img`;
  const bytes = randomBytes(size);
  if (behaviour === undefined) origin.serve(source, bytes);
  else origin.serve(source, bytes, behaviour);
  const path = await cistern.image({ url: origin.url(source), sha256: digestOf(bytes) }, {}, token);
  return { id: path.split("/")[3] ?? "", path, source, bytes };
}

/** A behaviour that keeps the bytes from `at` on back until `open` is called. */
function held(at: number): { behaviour: Behaviour; open: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { behaviour: { hold: { at, until: promise } }, open: resolve };
}

async function call(method: string, path: string, body?: unknown, token?: string) {
  const json = body === undefined ? {} : { body: JSON.stringify(body) };
  const headers = body === undefined ? {} : { "Content-Type": "application/json" };
  const answer = await cistern.ask(method, path, { headers, ...json, ...(token === undefined ? {} : { token }) });
  return { status: answer.status, body: JSON.parse(answer.body.toString()) };
}

const ask = (body: unknown, token?: string) => call("POST", "/v1/fills", body, token);
const show = async (id: string) => (await call("GET", `/v1/fills/${id}`)).body;
const stateOf = async (id: string): Promise<string> => (await show(id)).state;
const list = async (query: string, token?: string) =>
  (await call("GET", `/v1/fills?${query}`, undefined, token)).body.fills;
const settled = (id: string, state: string) => expect.poll(() => stateOf(id), { timeout: 15_000 }).toBe(state);
const outcome = async (path: string) => (await cistern.ask("GET", path)).headers["cache-status"];

describe("a prefetch", () => {
  test("brings an artifact's bytes here, and tells what has become of it", async () => {
    const { id, path, source } = await image();
    const asked = await ask({ artifact: id, priority: "high" });
    expect(asked).toMatchObject({
      status: 201,
      body: { kind: "prefetch", artifact: { id }, priority: 8, blob: "image" },
    });
    await settled(asked.body.id, "done");
    expect(await show(asked.body.id)).toMatchObject({ bytes: SIZE, error: null, attempts: 1, via: "request" });
    expect(await outcome(path)).toBe("Cistern; hit");
    expect(origin.requests(source)).toHaveLength(1);
  });

  test("with pin_for keeps its bytes from eviction so long, and a later one with less takes nothing from that", async () => {
    const { id, bytes } = await image();
    const pinOf = async () => (await call("GET", `/v1/contents/${digestOf(bytes)}`)).body.pin;
    const first = await ask({ artifact: id, pin_for: "P7D" });
    await settled(first.body.id, "done");
    const pin = await pinOf();
    expect(pin).toMatchObject({ reason: `prefetch ${first.body.id}`, by: expect.any(String) });
    const days = (Date.parse(pin.until) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(6.9);
    expect(days).toBeLessThanOrEqual(7);
    await settled((await ask({ artifact: id, pin_for: "PT1H" })).body.id, "done");
    expect(await pinOf()).toEqual(pin);
    const longer = await ask({ artifact: id, pin_for: "P8D" });
    await settled(longer.body.id, "done");
    expect(await pinOf()).toMatchObject({ reason: `prefetch ${longer.body.id}` });
  });

  test("of what is here already asks no origin", async () => {
    const { id, path, source } = await image();
    await cistern.ask("GET", path);
    const { body } = await ask({ artifact: id });
    await settled(body.id, "done");
    expect(origin.requests(source)).toHaveLength(1);
  });

  test("that runs already is answered with itself, 200; a reader joins it, and it counts one more follower", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const { id, path, source, bytes } = await image(behaviour);
    const first = await ask({ artifact: id });
    await settled(first.body.id, "running");
    const second = await ask({ artifact: id, priority: 9 });
    expect([second.status, second.body.id]).toEqual([200, first.body.id]);
    const reading = cistern.ask("GET", path);
    await expect.poll(() => show(first.body.id), { timeout: 15_000 }).toMatchObject({ followers: 1, total: SIZE });
    open();
    const answer = await reading;
    expect([answer.complete, answer.body.equals(bytes)]).toEqual([true, true]);
    await settled(first.body.id, "done");
    expect(origin.requests(source)).toHaveLength(1);
  });

  test("by URL finds the record; an unknown URL must be registered first, and one that is no URL is refused", async () => {
    const { source, path } = await image();
    const { status, body } = await ask({ url: origin.url(source) });
    expect(status).toBe(201);
    await settled(body.id, "done");
    expect(await outcome(path)).toBe("Cistern; hit");
    const unknown = await ask({ url: origin.url("/nobody-registered.img") });
    expect(unknown).toMatchObject({ status: 404, body: { code: "artifact-not-found" } });
    expect(unknown.body.detail).toContain("register it first");
    expect((await ask({ url: "nonsense" })).status).toBe(400);
  });

  test("that waits for its time is not begun, and is cancelled at once", async () => {
    const { id, source } = await image();
    const notBefore = new Date(Date.now() + 3_600_000).toISOString();
    const { body } = await ask({ artifact: id, not_before: notBefore });
    expect(body).toMatchObject({ state: "queued", not_before: notBefore, next_attempt_at: notBefore });
    const cancelled = await call("DELETE", `/v1/fills/${body.id}`);
    expect(cancelled).toMatchObject({ status: 200, body: { state: "cancelled", cancelling: false } });
    expect(await stateOf(body.id)).toBe("cancelled");
    expect(origin.requests(source)).toHaveLength(0);
    // What has ended stays as it is.
    expect((await call("DELETE", `/v1/fills/${body.id}`)).body.state).toBe("cancelled");
  });

  test("that does not end by its deadline has failed, and its fetch is stopped", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const { id, path } = await image(behaviour);
    const { body } = await ask({ artifact: id, deadline: new Date(Date.now() + 1_500).toISOString() });
    await settled(body.id, "failed");
    expect((await show(body.id)).error.code).toBe("deadline-passed");
    open();
    await expect.poll(() => outcome(path)).toContain("fwd=miss");
  });

  test("whose deadline somebody else has put off while it runs goes on", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const { id } = await image(behaviour);
    const { body } = await ask({ artifact: id, deadline: new Date(Date.now() + 3_000).toISOString() });
    await settled(body.id, "running");
    expect(await ask({ artifact: id })).toMatchObject({ status: 200, body: { id: body.id, deadline: null } });
    await delay(4_000);
    expect(await stateOf(body.id)).toBe("running");
    open();
    await settled(body.id, "done");
  }, 30_000);

  test("that fails is tried again later, and tells why; what cannot help is not tried again", async () => {
    const missing = await image();
    origin.serve(missing.source, missing.bytes, { status: 403 });
    const { body } = await ask({ artifact: missing.id });
    await expect
      .poll(() => show(body.id), { timeout: 15_000 })
      .toMatchObject({
        state: "queued",
        attempts: 1,
        error: { code: "origin-refused" },
      });
    expect(Date.parse((await show(body.id)).next_attempt_at)).toBeGreaterThan(Date.now() + 5_000);
    const wrong = await image({ flipBitAt: 7 });
    const second = await ask({ artifact: wrong.id });
    await settled(second.body.id, "failed");
    expect(await show(second.body.id)).toMatchObject({ attempts: 1, error: { code: "digest-mismatch" } });
    expect((await list(`state=failed&artifact=${wrong.id}`)).map((fill: { id: string }) => fill.id)).toEqual([
      second.body.id,
    ]);
  });
});

describe("cancelling", () => {
  test("one that nobody reads stops its fetch within seconds", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const { id } = await image(behaviour);
    const { body } = await ask({ artifact: id });
    await expect.poll(() => show(body.id), { timeout: 15_000 }).toMatchObject({ state: "running", bytes: SIZE / 2 });
    const told = await call("DELETE", `/v1/fills/${body.id}`);
    expect([told.status, told.body.cancelling]).toEqual([202, true]);
    await settled(body.id, "cancelled");
    expect(await list(`state=running&artifact=${id}`)).toEqual([]);
    open();
  });

  test("one that somebody reads ends the prefetch, not the fetch; an admin's force cuts the readers", async () => {
    const { behaviour, open } = held(SIZE / 2);
    const read = await image(behaviour);
    const { body } = await ask({ artifact: read.id });
    await settled(body.id, "running");
    const reading = cistern.ask("GET", read.path);
    await expect.poll(async () => (await show(body.id)).followers, { timeout: 15_000 }).toBe(1);
    await call("DELETE", `/v1/fills/${body.id}`);
    await settled(body.id, "cancelled");
    // Now it is what the reader asks for.
    const [live] = await list(`state=running&artifact=${read.id}`);
    expect(live).toMatchObject({ kind: "demand", followers: 1, bytes: SIZE / 2, total: SIZE, replica: "embedded" });
    expect((await call("DELETE", `/v1/fills/${live.id}`)).status).toBe(409);
    open();
    expect((await reading).body.equals(read.bytes)).toBe(true);

    const other = await image(held(SIZE / 2).behaviour);
    const cut = cistern.ask("GET", other.path);
    await expect.poll(() => list(`artifact=${other.id}`), { timeout: 15_000 }).toHaveLength(1);
    const [fill] = await list(`artifact=${other.id}`);
    expect((await call("DELETE", `/v1/fills/${fill.id}?force=true`)).status).toBe(202);
    expect((await cut).complete).toBe(false);
    await settled(fill.id, "cancelled");
  });
});

describe("a query", () => {
  test("fetches all that it finds, and tells how far it is", async () => {
    const token = await cistern.token("query-project", ["member"]);
    const images: Image[] = [];
    for (let n = 0; n < 5; n += 1) images.push(await image(undefined, token, 10_000));
    const { status, body } = await ask({ query: { type: "images" } }, token);
    expect([status, body.kind, body.query]).toEqual([201, "query", { type: "images", owner: "query-project" }]);
    await settled(body.id, "done");
    expect((await show(body.id)).parts).toEqual({
      artifacts: 5,
      searched: true,
      queued: 0,
      running: 0,
      done: 5,
      failed: 0,
      cancelled: 0,
    });
    for (const { path } of images) expect(await outcome(path)).toBe("Cistern; hit");
    expect(await list(`parent=${body.id}&limit=3`)).toHaveLength(3);
  });

  test("that waits for its time finds nothing before; one that is cancelled takes along what waits and runs", async () => {
    const token = await cistern.token("cancelled-project", ["member"]);
    const { behaviour, open } = held(SIZE / 2);
    for (let n = 0; n < 6; n += 1) await image(behaviour, token);
    const later = await ask({ query: {}, not_before: new Date(Date.now() + 3_600_000).toISOString() }, token);
    const { body } = await ask({ query: {} }, token);
    const parts = async () => (await show(body.id)).parts;
    await expect.poll(parts, { timeout: 15_000 }).toMatchObject({ queued: 3, running: 3, searched: true });
    expect((await show(later.body.id)).parts).toMatchObject({ artifacts: 0, searched: false, queued: 0 });
    expect((await call("DELETE", `/v1/fills/${body.id}`, undefined, token)).body.state).toBe("cancelled");
    await expect.poll(parts, { timeout: 15_000 }).toMatchObject({ queued: 0, running: 0, cancelled: 6 });
    open();
    await call("DELETE", `/v1/fills/${later.body.id}`, undefined, token);
  });
});

describe("rights", () => {
  test("a member asks for, sees and cancels its own project's; nobody else's", async () => {
    const [own, other] = [await cistern.token("own", ["member"]), await cistern.token("other", ["member"])];
    const { id } = await image(undefined, own);
    const body = { artifact: id, not_before: new Date(Date.now() + 3_600_000).toISOString() };
    expect((await ask(body, other)).status).toBe(404);
    const asked = await ask(body, own);
    expect(asked.status).toBe(201);
    const path = `/v1/fills/${asked.body.id}`;
    expect((await call("GET", path, undefined, own)).status).toBe(200);
    expect((await call("GET", path, undefined, other)).status).toBe(404);
    expect((await call("DELETE", path, undefined, other)).status).toBe(404);
    expect(await list("limit=100", other)).toEqual([]);
    expect(await list("limit=100", own)).toHaveLength(1);
    expect((await call("DELETE", `${path}?force=true`, undefined, own)).status).toBe(403);
    expect((await call("DELETE", path, undefined, own)).status).toBe(200);
  });

  test("going before all others, and long pins, are the admin's; readers ask for nothing; auditors look", async () => {
    const member = await cistern.token("own", ["member"]);
    const { id } = await image(undefined, member);
    expect((await ask({ artifact: id, priority: 6 }, member)).status).toBe(403);
    expect((await ask({ artifact: id, pin_for: "P31D" }, member)).status).toBe(403);
    expect((await ask({ query: { owner: "admin" } }, member)).status).toBe(403);
    expect((await ask({ artifact: id }, await cistern.token("own", ["reader"]))).status).toBe(403);
    const auditor = await cistern.token("audit", ["auditor"]);
    expect((await ask({ artifact: id }, auditor)).status).toBe(403);
    expect((await call("GET", "/v1/fills", undefined, auditor)).status).toBe(200);
  });
});

test("what is asked for wrongly is refused by field and rule, and queues nothing", async () => {
  const { id } = await image();
  const before = (await list("limit=1000")).length;
  const past = new Date(Date.now() - 1_000).toISOString();
  const wrong: [body: unknown, status: number, field: string][] = [
    [{}, 400, "artifact"],
    [{ artifact: id, url: "https://origin.example/" }, 400, "artifact"],
    [{ artifact: "nonsense" }, 400, "artifact"],
    [{ artifact: id, priority: 10 }, 400, "priority"],
    [{ artifact: id, priority: "urgent" }, 400, "priority"],
    [{ artifact: id, deadline: past }, 400, "deadline"],
    [{ artifact: id, deadline: "2999-01-01T00:00:00Z", not_before: "2999-01-01T00:00:00Z" }, 400, "deadline"],
    [{ artifact: id, not_before: "2999-01-01T00:00:00Z" }, 400, "not_before"],
    [{ artifact: id, pin_for: "soon" }, 400, "pin_for"],
    [{ artifact: id, pin_for: "PT0S" }, 400, "pin_for"],
    [{ query: {}, blob: "image" }, 400, "blob"],
    [{ query: { colour: "red" } }, 422, "query.colour"],
    [{ artifact: id, now: true }, 422, "now"],
  ];
  for (const [body, status, field] of wrong) {
    const answer = await ask(body);
    expect([answer.status, answer.body.errors?.[0]?.field], JSON.stringify(answer.body)).toEqual([status, field]);
  }
  expect((await ask({ artifact: id, blob: "image/nothing" })).status).toBe(404);
  expect(await list("limit=1000")).toHaveLength(before);
});

test("pages tell all fills once, whatever their kind", async () => {
  const { behaviour, open } = held(SIZE / 2);
  const read = await image(behaviour);
  const reading = cistern.ask("GET", read.path);
  await expect.poll(() => list(`artifact=${read.id}`), { timeout: 15_000 }).toHaveLength(1);
  const all = (await list("limit=1000")).map(({ id }: { id: string }) => id);
  for (const limit of [1, 2, 7]) {
    const seen: string[] = [];
    let next: string | null = `/v1/fills?limit=${limit}`;
    while (next !== null) {
      const { body }: { body: { fills: { id: string }[]; next: string | null } } = await call("GET", next);
      expect(body.fills.length).toBeLessThanOrEqual(limit);
      seen.push(...body.fills.map(({ id }) => id));
      next = body.next;
    }
    expect(seen).toEqual(all);
  }
  open();
  await reading;
});

test("a failed fetch of a reader is noted, with its reason", async () => {
  const { id, path } = await image({ status: 404 });
  await cistern.ask("GET", path);
  await expect
    .poll(() => list(`state=failed&artifact=${id}`), { timeout: 15_000 })
    .toMatchObject([{ kind: "demand", error: { code: "origin-refused" }, project: "admin" }]);
});
