import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../../support/embedded-app.ts";

const MIB = 1024 * 1024;
const PATH = "/v1/capacity";
let cistern: Embedded;

beforeAll(async () => {
  cistern = await startEmbedded({ env: { CISTERN_CACHE_BYTES: String(100 * MIB) } });
});

afterAll(() => cistern[Symbol.asyncDispose]());

async function show() {
  const { status, headers, body } = await cistern.ask("GET", PATH);
  expect(status).toBe(200);
  return { etag: String(headers.etag), view: JSON.parse(String(body)) };
}

async function put(settings: object, etag?: string) {
  const match = etag ?? (await show()).etag;
  const headers = { "Content-Type": "application/json", ...(match === "" ? {} : { "If-Match": match }) };
  const answer = await cistern.ask("PUT", PATH, { headers, body: JSON.stringify(settings) });
  return { status: answer.status, etag: String(answer.headers.etag), body: JSON.parse(String(answer.body)) };
}

describe("/v1/capacity", () => {
  test("tells what is in force though nothing was set", async () => {
    const { view } = await show();
    expect(view.settings.cache_bytes).toBeNull();
    expect(view.limits).toMatchObject({
      cache_bytes: 100 * MIB,
      high_watermark: 0.95,
      low_watermark: 0.9,
      pin_max_bytes: 50 * MIB,
      eviction: "gdsf",
      hot_bytes: null,
      shares: [],
    });
    expect(view.use.spool.limit).toBe(view.limits.spool_bytes);
    expect(view.replicas).toHaveLength(1);
  });

  test("what is set holds at once, and what is left out is as it was configured", async () => {
    const shares = [{ project: "alpha", part: 0.25 }];
    const set = await put({ cache_bytes: 50 * MIB, eviction: "lru", shares, spool_bytes: 64 * MIB });
    expect(set).toMatchObject({ status: 200, etag: (await show()).etag });
    const { view } = await show();
    expect(view).toEqual({ ...set.body, replicas: view.replicas });
    expect(view.limits).toMatchObject({ cache_bytes: 50 * MIB, pin_max_bytes: 25 * MIB, eviction: "lru", shares });
    expect(view.use.spool.limit).toBe(64 * MIB);
    expect(view.projects).toEqual([{ project: "alpha", bytes: 0, count: 0, reserved: 0, part: 0.25 }]);
    const back = await put({});
    expect(back.body.limits).toMatchObject({ cache_bytes: 100 * MIB, eviction: "gdsf" });
  });

  test("what does not go together is named, and changes nothing", async () => {
    const { etag } = await show();
    const wrong: readonly (readonly [object, string])[] = [
      [{ low_watermark: 0.9, high_watermark: 0.8 }, "low_watermark"],
      [{ cache_bytes: MIB, pin_max_bytes: 2 * MIB }, "pin_max_bytes"],
      [{ hot_bytes: MIB }, "hot_bytes"],
      [{ cache_bytes: -1 }, "cache_bytes"],
      [{ spool_bytes: MIB }, "spool_bytes"],
      [{ high_watermark: 1.1 }, "high_watermark"],
      [{ shares: [{ part: 0.5 }] }, "shares.0"],
      [{ shares: [{ origin: "http://mirror.example/", part: 0.5 }] }, "shares.0.origin"],
      [{ shares: [{ origin: "\ud800", part: 0.5 }] }, "shares.0.origin"],
      [{ shares: [{ project: "a", origin: "b", part: 0.5 }] }, "shares.0"],
      [
        {
          shares: [
            { project: "a", part: 0.5 },
            { project: "a", part: 0.1 },
          ],
        },
        "shares.1",
      ],
    ];
    for (const [settings, field] of wrong) {
      const { status, body } = await put(settings, etag);
      expect([status, body.errors?.[0]?.field ?? body.fields?.[0]?.field], JSON.stringify(settings)).toEqual([
        400,
        field,
      ]);
    }
    expect((await put({ limit: 1 }, etag)).status).toBe(422);
    expect((await show()).etag).toBe(etag);
  });

  test("settings that have changed meanwhile are not overwritten", async () => {
    const { etag } = await show();
    expect((await put({ cache_bytes: 60 * MIB }, "")).status).toBe(428);
    expect((await put({ cache_bytes: 60 * MIB }, etag)).status).toBe(200);
    expect((await put({ cache_bytes: 70 * MIB }, etag)).status).toBe(412);
    expect((await show()).view.limits.cache_bytes).toBe(60 * MIB);
  });
});
