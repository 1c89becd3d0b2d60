import { Hono } from "hono";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Clock } from "../../../src/domain/clock.ts";
import { Authenticator } from "../../../src/http/authenticate.ts";
import type { EdgeEnv } from "../../../src/http/caller.ts";
import type { PartCheck } from "../../../src/http/part-checks.ts";
import { healthRoutes } from "../../../src/http/routes/health.ts";
import { systemClock } from "../../../src/telemetry/system-clock.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { type Answer, call } from "../call.ts";
import { type Edge, openEdge } from "../edge.ts";
import { type Listening, openServer } from "../edge-server.ts";
import { noLimits } from "../no-limits.ts";

const WORKS: PartCheck = () => Promise.resolve();
const FAILS: PartCheck = () => Promise.reject(new Error("secret of the inside"));
const HANGS: PartCheck = () => new Promise(() => undefined);
const BARE = { "content-type": "text/plain; charset=utf-8", "cache-control": "no-store" };

interface Given {
  readonly parts: Readonly<Record<string, PartCheck>>;
  readonly draining?: () => boolean;
  readonly clock?: Clock;
}

let edge: Edge;

beforeAll(async () => {
  edge = await openEdge();
});
afterAll(() => edge[Symbol.asyncDispose]());

/** The routes on a listener of their own, over the catalog's real tokens. */
function serve({ parts, draining = () => false, clock = systemClock }: Given): Promise<Listening> {
  const authenticator = new Authenticator({
    tokens: edge.catalog.tokens,
    clock: systemClock,
    anonymousRead: [],
    limits: noLimits(),
  });
  const health = healthRoutes({ parts, required: ["catalog"], draining, authenticator, clock });
  return openServer({ routes: new Hono<EdgeEnv>().route("/", health) });
}

async function ask(given: Given, path = "/readyz", token?: string): Promise<Answer> {
  await using listening = await serve(given);
  return await call(listening.port, "GET", path, token === undefined ? {} : { token });
}

describe("livez", () => {
  test("says that the process runs, whatever else is down", async () => {
    const answer = await ask({ parts: { catalog: FAILS }, draining: () => true }, "/livez");
    expect([answer.status, answer.text]).toEqual([200, "ok\n"]);
  });
});

describe("readyz", () => {
  test.each([
    ["all is well", { catalog: WORKS, store: WORKS }, false, 200, "ok\n"],
    ["a part fails that it can do without", { catalog: WORKS, store: FAILS }, false, 200, "degraded\n"],
    ["a part fails that it needs", { catalog: FAILS, store: WORKS }, false, 503, "not ready\n"],
    ["the process is leaving", { catalog: WORKS, store: WORKS }, true, 503, "not ready\n"],
  ])("when %s", async (_name, parts, draining, status, text) => {
    const answer = await ask({ parts, draining: () => draining });
    expect([answer.status, answer.text]).toEqual([status, text]);
    expect(answer.headers).toMatchObject(BARE);
    expect(answer.headers["retry-after"]).toBe(status === 503 ? "5" : undefined);
  });

  test.each(["admin", "auditor"] as const)("tells an %s which part it is", async (role) => {
    const token = await edge.token("operators", [role]);
    const answer = await ask({ parts: { catalog: WORKS, store: FAILS } }, "/readyz", token);
    expect(answer.status).toBe(200);
    expect(answer.json()).toEqual({
      status: "degraded",
      draining: false,
      parts: { catalog: "ok", store: "unavailable" },
    });
  });

  test("tells nobody else, whatever token they show", async () => {
    for (const token of [await edge.token("compute", ["reader", "member"]), "cst_made-up"]) {
      const answer = await ask({ parts: { catalog: FAILS } }, "/readyz", token);
      expect([answer.status, answer.text]).toEqual([503, "not ready\n"]);
    }
  });

  test("asks each part once a second, however many probes there are", async () => {
    let asked = 0;
    const clock = new ManualClock();
    const counted: PartCheck = async () => {
      asked += 1;
    };
    await using listening = await serve({ parts: { catalog: counted }, clock });
    const probe = () => call(listening.port, "GET", "/readyz");
    await Promise.all(Array.from({ length: 20 }, probe));
    expect(asked).toBe(1);
    clock.advance(1_000);
    await probe();
    expect(asked).toBe(2);
  });

  test("answers in time when a part hangs, first with what was known of it, then that it is gone", async () => {
    const clock = new ManualClock();
    let check: PartCheck = WORKS;
    const aborted = Promise.withResolvers<void>();
    await using listening = await serve({ parts: { catalog: WORKS, store: (signal) => check(signal) }, clock });
    const probe = async () => (await call(listening.port, "GET", "/readyz")).text;
    expect(await probe()).toBe("ok\n");
    check = (signal) => {
      signal.addEventListener("abort", () => aborted.resolve());
      return HANGS(signal);
    };
    clock.advance(1_000);
    const waiting = probe();
    await expect.poll(() => clock.sleeping).toBe(2);
    clock.advance(750);
    expect(await waiting).toBe("ok\n");
    clock.advance(5_000);
    await aborted.promise;
    expect(await probe()).toBe("degraded\n");
  });

  test("does not vouch for a part that has never answered", async () => {
    const clock = new ManualClock();
    await using listening = await serve({ parts: { catalog: HANGS }, clock });
    const waiting = call(listening.port, "GET", "/readyz");
    await expect.poll(() => clock.sleeping).toBe(2);
    clock.advance(750);
    expect((await waiting).status).toBe(503);
  });
});
