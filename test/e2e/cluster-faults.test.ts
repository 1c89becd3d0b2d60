import { randomBytes } from "node:crypto";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { CisternProcess } from "../support/cistern-process.ts";
import { type Cluster, startCluster } from "../support/cluster.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { ask, type SeenAnswer } from "../support/http-client.ts";
import { requirePostgres } from "../support/postgres.ts";
import { registerImage } from "../support/register-image.ts";
import { hasMinio } from "../support/s3-servers.ts";

const MIB = 1024 * 1024;
const SIZE = 12 * MIB;

describe.skipIf(!(requirePostgres() && hasMinio))("two replicas whose origin, or one another, fail", () => {
  let cluster: Cluster;
  let origin: FaultOrigin;
  let bytes: Buffer;
  let sequence = 0;

  beforeAll(async () => {
    cluster = await startCluster({ replicas: 2, env: { CISTERN_DRAIN_TIME: "PT60S", CISTERN_DRAIN_DELAY: "PT0S" } });
  }, 300_000);
  afterAll(async () => {
    await cluster?.[Symbol.asyncDispose]();
  }, 120_000);
  beforeEach(async () => {
    origin = await startFaultOrigin();
    bytes = randomBytes(SIZE);
    sequence += 1;
  });
  afterEach(() => origin[Symbol.asyncDispose]());

  const path = () => `/faults-${sequence}`;

  function replica(number: number): CisternProcess {
    const found = cluster.replicas[number];
    if (found === undefined) throw new Error(`there is no replica ${number}`);
    return found;
  }

  async function image(...behaviours: Behaviour[]): Promise<string> {
    origin.serve(path(), bytes, ...behaviours);
    const blob = { url: origin.url(path()), sha256: digestOf(bytes) };
    return new URL((await registerImage(replica(0), `image-${sequence}`, blob)).url).pathname;
  }

  /** @param onData told when bytes have come */
  function get(
    number: number,
    image: string,
    headers: Readonly<Record<string, string>> = {},
    onData: (soFar: number) => void = () => undefined,
  ): Promise<SeenAnswer> {
    return ask(`${replica(number).url}${image}`, {
      headers: { "X-Auth-Token": cluster.adminToken, ...headers },
      onData: (_, soFar) => {
        onData(soFar);
        return true;
      },
    });
  }

  /** A behaviour that keeps the bytes from `at` on back until `open` is called. */
  function held(at: number): { behaviour: Behaviour; open: () => void } {
    const { promise, resolve } = Promise.withResolvers<void>();
    return { behaviour: { hold: { at, until: promise } }, open: resolve };
  }

  test("I1: a client that is cut by one and resumes at the other the same moment gets no tail", async () => {
    const gate = held(SIZE / 2);
    const of = await image({ ...gate.behaviour, flipBitAt: 100 }, {});
    let got = 0;
    const cut = await get(0, of, {}, (bytes) => {
      got = bytes;
      gate.open();
    });
    expect([cut.complete, got > 0]).toEqual([false, true]);
    const resumed = await get(1, of, { Range: `bytes=${got}-` });
    expect(resumed.status).toBe(502);
    const anew = await get(1, of);
    expect([anew.complete, anew.body.equals(bytes)]).toEqual([true, true]);
  }, 60_000);

  test("a replica that leaves is read along with by those who ask another one only then", async () => {
    const gate = held(SIZE / 2);
    const of = await image(gate.behaviour);
    const first = get(0, of);
    await origin.requested(path());
    const before = replica(0);
    const leaving = before.kill("SIGTERM");
    await expect
      .poll(
        () =>
          fetch(`${before.url}/readyz`).then(
            ({ status }) => status,
            () => 0,
          ),
        { timeout: 10_000 },
      )
      .toBe(503);
    const second = get(1, of);
    await expect
      .poll(
        () =>
          replica(1)
            .output()
            .split("\n")
            .filter((line) => line.includes('"event":"fill-relayed"')).length,
        {
          timeout: 15_000,
        },
      )
      .toBeGreaterThan(0);
    gate.open();
    for (const answer of await Promise.all([first, second])) {
      expect([answer.complete, answer.body.equals(bytes)]).toEqual([true, true]);
    }
    expect((await leaving).code).toBe(0);
    expect(origin.requests(path()).length).toBe(1);
    await cluster.restart(0);
  }, 120_000);

  test("a holder that the others cannot reach and that lives: 503 and when to come back, and one fetch", async () => {
    await replica(0).kill("SIGTERM");
    await cluster.restart(0, { CISTERN_REPLICA_URL: "http://127.0.0.1:9" });
    const gate = held(SIZE / 2);
    const of = await image(gate.behaviour);
    const first = get(0, of);
    await origin.requested(path());
    const told = await get(1, of);
    expect([told.status, Number(told.headers["retry-after"]) > 0]).toEqual([503, true]);
    gate.open();
    expect((await first).body.equals(bytes)).toBe(true);
    await expect.poll(async () => (await get(1, of)).body.equals(bytes), { timeout: 30_000 }).toBe(true);
    const fetches = replica(1)
      .output()
      .split("\n")
      .filter((line) => line.includes(`${path()}"`));
    expect(fetches.filter((line) => line.includes('"event":"fill-started"'))).toEqual([]);
    await replica(0).kill("SIGTERM");
    await cluster.restart(0);
  }, 180_000);
});
