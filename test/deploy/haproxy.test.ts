import { execFile } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { runProgram } from "../e2e/support/run-program.ts";
import { type CisternProcess, startCistern } from "../support/cistern-process.ts";
import { digestOf, startFaultOrigin } from "../support/fault-origin.ts";
import { freePort } from "../support/free-port.ts";
import { ask } from "../support/http-client.ts";
import { findProgram, requireProgram } from "../support/programs.ts";
import { registerImage } from "../support/register-image.ts";
import { type Balancer, CONFIGURATION, startBalancer } from "./support/balancer.ts";
import { proxyHeader, statusBehind } from "./support/proxy-header.ts";
import { CLONE } from "./support/validators.ts";

const run = promisify(execFile);
const HAVE_HAPROXY = requireProgram("haproxy");
const HAVE_CLIENT_AND_BALANCER = requireProgram("curl") && HAVE_HAPROXY;

/** Of its network is who may read; the balancer's own address is not in it. */
const READER = "127.0.0.2";
const STRANGER = "127.0.0.3";
const BALANCER = "127.0.0.1";
const SETTINGS = {
  CISTERN_TRUSTED_PROXIES: `${BALANCER}/32`,
  CISTERN_ANONYMOUS_READ: `${READER}/32`,
  CISTERN_DRAIN_DELAY: "PT4S",
};
const MIB = 2 ** 20;

test.skipIf(!HAVE_HAPROXY)("HAProxy takes its configuration without a warning", async () => {
  await run(findProgram("haproxy") ?? "", ["-c", "-dW", "-f", join(CLONE, CONFIGURATION)]);
});

describe.skipIf(!HAVE_CLIENT_AND_BALANCER)("Cistern behind HAProxy", () => {
  const stack = new AsyncDisposableStack();
  let folder: string;
  let cistern: CisternProcess;
  let balancer: Balancer;
  let image: string;

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), "cistern-haproxy-"));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    cistern = stack.use(await startCistern({ dataDir: join(folder, "data"), env: SETTINGS }));
    const address = new URL(cistern.url).host;
    balancer = stack.use(await startBalancer(folder, [address, address]));
    image = await publicImage();
  });
  afterAll(() => stack.disposeAsync());

  /** Its path: something that only the right address may read. */
  async function publicImage(): Promise<string> {
    await using origin = await startFaultOrigin();
    const content = { size: MIB, seed: "public" };
    origin.serve("/public.img", content);
    const blob = { url: origin.url("/public.img"), sha256: digestOf(content, "sha256") };
    const { id, url } = await registerImage(cistern, "public", blob);
    const headers = { "X-Auth-Token": cistern.adminToken, "Content-Type": "application/json-patch+json" };
    const body = JSON.stringify([{ op: "replace", path: "/visibility", value: "public" }]);
    const published = await ask(`${cistern.url}/artifacts/images/${id}`, { method: "PATCH", headers, body });
    expect(published.status).toBe(200);
    expect(await ask(url, { headers })).toMatchObject({ status: 200, complete: true });
    return new URL(url).pathname;
  }

  async function statusFor(from: string, url: string, ...more: readonly string[]): Promise<string> {
    const args = ["-sS", "--interface", from, "-o", "/dev/null", "-w", "%{http_code}", ...more, url];
    return (await run("curl", args)).stdout;
  }

  test("the client's address arrives: each is let in or not by its own, whoever came before", async () => {
    const url = balancer.url + image;
    const clients = Array.from({ length: 24 }, (_, index) => (index % 3 === 0 ? READER : STRANGER));
    const statuses = await Promise.all(clients.map((client) => statusFor(client, url)));
    expect(statuses).toEqual(clients.map((client) => (client === READER ? "200" : "401")));
    expect(await statusFor(BALANCER, url)).toBe("401");
  });

  test.each([
    ["X-Forwarded-For", READER],
    ["X-Forwarded-For", `${READER}, ${BALANCER}`],
    ["Forwarded", `for=${READER}`],
    ["X-Real-IP", READER],
  ])("a client's own %s: %s is believed neither through the balancer nor past it", async (name, value) => {
    const header = ["-H", `${name}: ${value}`];
    expect(await statusFor(STRANGER, balancer.url + image, ...header)).toBe("401");
    expect(await statusFor(STRANGER, cistern.url + image, ...header)).toBe("401");
  });

  test("a client's own PROXY header is believed neither through the balancer nor past it", async () => {
    const port = Number(new URL(cistern.url).port);
    expect(await statusBehind(proxyHeader(READER), BALANCER, port, image)).toBe(200);
    expect(await statusBehind(proxyHeader(READER), STRANGER, port, image)).not.toBe(200);
    expect(await statusBehind(proxyHeader(READER), STRANGER, balancer.port, image)).not.toBe(200);
  });

  test("what replicas ask of each other is not asked through the balancer", async () => {
    for (const path of ["/internal/fills", "/%69nternal/fills"]) {
      expect(await statusFor(READER, balancer.url + path)).toBe("403");
    }
  });

  test.each([
    { framing: "length", http: "--http1.1" },
    { framing: "chunked", http: "--http1.1" },
    { framing: "length", http: "--http1.0" },
    { framing: "chunked", http: "--http1.0" },
    { framing: "close", http: "--http1.0" },
  ] as const)(
    "a body whose checksum is wrong is not complete for curl $http when its origin ends it by $framing",
    async ({ framing, http }) => {
      await using origin = await startFaultOrigin();
      const content = { size: 8 * MIB, seed: `wrong ${framing} ${http}` };
      origin.serve("/wrong.img", content, { flipBitAt: 5 * MIB, framing });
      const blob = { url: origin.url("/wrong.img"), sha256: digestOf(content, "sha256") };
      const { url } = await registerImage(cistern, `wrong-${framing}${http}`, blob);
      const file = join(folder, "wrong");
      const args = ["-sSf", http, "-o", file, "-H", `X-Auth-Token: ${cistern.adminToken}`];
      const client = await runProgram("curl", [...args, balancer.url + new URL(url).pathname]);
      expect(client.code, client.output).not.toBe(0);
      const size = await stat(file).then(
        (seen) => seen.size,
        () => 0,
      );
      expect(size).toBeLessThan(8 * MIB);
      await rm(file, { force: true });
    },
  );
});

describe.skipIf(!HAVE_CLIENT_AND_BALANCER)("a rolling restart behind HAProxy", () => {
  test("a draining replica is taken out before it refuses anybody, and the download on it ends whole", async () => {
    await using stack = new AsyncDisposableStack();
    const folder = await mkdtemp(join(tmpdir(), "cistern-rolling-"));
    stack.defer(() => rm(folder, { recursive: true, force: true }));
    const leaving = stack.use(await startCistern({ dataDir: join(folder, "1"), env: SETTINGS }));
    const other = `127.0.0.1:${await freePort()}`;
    const balancer = stack.use(await startBalancer(folder, [new URL(leaving.url).host, other]));
    const origin = stack.use(await startFaultOrigin());
    const release = Promise.withResolvers<void>();
    stack.defer(() => release.resolve());
    const content = { size: 4 * MIB, seed: "rolling" };
    origin.serve("/slow.img", content, { hold: { at: MIB, until: release.promise } });
    const blob = { url: origin.url("/slow.img"), sha256: digestOf(content, "sha256") };
    const { url } = await registerImage(leaving, "slow", blob);
    const path = new URL(url).pathname;
    const headers = { "X-Auth-Token": leaving.adminToken };
    const balancerSays = async (line: string, meanwhile: () => Promise<unknown> = () => delay(20)) => {
      while (!balancer.output().includes(line)) await meanwhile();
    };
    const begun = Promise.withResolvers<void>();
    const download = ask(balancer.url + path, {
      headers,
      onData: () => {
        begun.resolve();
        return true;
      },
    });
    const first = await Promise.race([begun.promise.then(() => "begun" as const), download]);
    expect(first).toBe("begun");
    stack.use(await startCistern({ dataDir: join(folder, "2"), env: { ...SETTINGS, CISTERN_LISTEN: other } }));
    await balancerSays("Server replicas/cistern-2 is UP");

    const gone = leaving.kill("SIGTERM");
    const answers: number[] = [];
    const askOnce = async () => answers.push((await ask(`${balancer.url}/livez`)).status);
    await balancerSays("Server replicas/cistern-1 is DOWN", askOnce);
    for (let more = 0; more < 50; more += 1) await askOnce();
    expect(new Set(answers)).toEqual(new Set([200]));
    expect(balancer.output()).toMatch(/cistern-1 is DOWN, reason: Layer7 wrong status, code: 503/);

    release.resolve();
    const whole = await download;
    expect(whole).toMatchObject({ status: 200, complete: true });
    expect(whole.body.length).toBe(4 * MIB);
    expect(await gone).toEqual({ code: 0, signal: null });
  }, 180_000);
});
