import { randomBytes } from "node:crypto";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { FILL_LIMITS } from "../../src/domain/fill-limits.ts";
import { type Embedded, startEmbedded } from "../support/embedded-app.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";

const SIZE = 1024 * 1024;

let cistern: Embedded;
let origin: FaultOrigin;
let sequence = 0;

beforeAll(async () => {
  origin = await startFaultOrigin();
  cistern = await startEmbedded();
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function image(behaviour: Behaviour = {}): Promise<{ id: string; path: string; source: string; bytes: Buffer }> {
  sequence += 1;
  const source = `/${sequence}.img`;
  const bytes = randomBytes(SIZE);
  origin.serve(source, bytes, behaviour);
  const path = await cistern.image({ url: origin.url(source), sha256: digestOf(bytes) });
  return { id: path.split("/")[3] ?? "", path, source, bytes };
}

async function ask(artifact: string, priority = 5): Promise<string> {
  const headers = { "Content-Type": "application/json" };
  const answer = await cistern.ask("POST", "/v1/fills", { headers, body: JSON.stringify({ artifact, priority }) });
  return JSON.parse(answer.body.toString()).id;
}

async function stateOf(id: string): Promise<string> {
  return JSON.parse((await cistern.ask("GET", `/v1/fills/${id}`)).body.toString()).state;
}

/** As many prefetches as one origin has at once, each held at half of its bytes until it is let go. */
async function busy(): Promise<(() => void)[]> {
  const held = await Promise.all(
    Array.from({ length: FILL_LIMITS.prefetchPerOrigin }, async () => {
      const { promise, resolve } = Promise.withResolvers<void>();
      const { id, source } = await image({ hold: { at: SIZE / 2, until: promise } });
      return { fill: await ask(id, 9), source, open: resolve };
    }),
  );
  for (const { source } of held) await origin.requested(source);
  for (const { fill } of held) expect(await stateOf(fill)).toBe("running");
  return held.map(({ open }) => open);
}

test("a place that becomes free goes to the highest priority; whoever reads waits for none of them", async () => {
  const open = await busy();
  const [low, normal, high, wanted] = [await image(), await image(), await image(), await image()];
  const fills = [await ask(low.id, 2), await ask(normal.id), await ask(high.id, 8), await ask(wanted.id, 0)];
  expect(await stateOf(fills[2] ?? "")).toBe("queued");

  // All places of prefetches from there are taken, and this one is the last in the queue.
  const answer = await cistern.ask("GET", wanted.path);
  expect([answer.complete, answer.body.equals(wanted.bytes)]).toEqual([true, true]);
  expect(origin.requests(high.source)).toHaveLength(0);

  open.shift()?.();
  for (const fill of fills) await expect.poll(() => stateOf(fill), { timeout: 20_000 }).toBe("done");
  const order = origin.requests().map(({ path }) => path);
  const own = [low, normal, high, wanted].map(({ source }) => source);
  expect(order.filter((path) => own.includes(path))).toEqual([wanted, high, normal, low].map(({ source }) => source));
  for (const release of open) release();
});

test("an origin that never answers does not keep the others waiting", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const silent = await Promise.all(
    Array.from({ length: FILL_LIMITS.prefetchAtOnce }, () => image({ holdHeaders: promise })),
  );
  const asked = await Promise.all(silent.map(({ id }) => ask(id, 9)));
  await using other = await startFaultOrigin();
  const bytes = randomBytes(SIZE);
  other.serve("/other.img", bytes);
  const path = await cistern.image({ url: other.url("/other.img"), sha256: digestOf(bytes) });
  const fill = await ask(path.split("/")[3] ?? "", 1);
  await expect.poll(() => stateOf(fill), { timeout: 10_000 }).toBe("done");
  resolve();
  for (const one of asked) await expect.poll(() => stateOf(one), { timeout: 20_000 }).toBe("done");
});

test("an orderly end puts back what is under way, and the next start goes on with its bytes", async () => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const size = 24 * SIZE;
  const bytes = randomBytes(size);
  origin.serve("/large.img", bytes, { hold: { at: size / 2, until: promise } }, {});
  const dataDir = await mkdtemp(join(tmpdir(), "cistern-test-"));
  try {
    let id = "";
    let path = "";
    {
      await using first = await startEmbedded({ dataDir, env: { CISTERN_DRAIN_TIME: "PT0S" } });
      path = await first.image({ url: origin.url("/large.img"), sha256: digestOf(bytes) });
      const headers = { "Content-Type": "application/json" };
      const body = JSON.stringify({ artifact: path.split("/")[3] });
      id = JSON.parse((await first.ask("POST", "/v1/fills", { headers, body })).body.toString()).id;
      await expect.poll(() => origin.bytesSent("/large.img"), { timeout: 20_000 }).toBeGreaterThanOrEqual(size / 2);
    }
    await using second = await startEmbedded({ dataDir });
    const show = async () => JSON.parse((await second.ask("GET", `/v1/fills/${id}`)).body.toString());
    await expect.poll(async () => (await show()).state, { timeout: 20_000 }).toBe("done");
    // What was put back used up no attempt.
    expect(await show()).toMatchObject({ bytes: size, attempts: 1 });
    expect((await second.ask("GET", path)).headers["cache-status"]).toBe("Cistern; hit");
    const [, resumed] = origin.requests("/large.img");
    expect(resumed?.status).toBe(206);
  } finally {
    resolve();
    await rm(dataDir, { recursive: true, force: true });
  }
});
