import { describe, expect, test } from "vitest";
import { type CliResult, runCli } from "../run-cli.ts";
import { answerJson, startWireServer, type WireServer } from "../wire-server.ts";

const GIB = 2 ** 30;
const NONE = { bytes: 0, count: 0 };

function view(settings: object = {}): object {
  return {
    revision: 7,
    settings: {
      cache_bytes: null,
      high_watermark: null,
      low_watermark: null,
      pin_max_bytes: null,
      shares: null,
      eviction: null,
      hot_bytes: null,
      spool_bytes: null,
      ...settings,
    },
    limits: {
      cache_bytes: 10 * GIB,
      high_watermark: 0.95,
      low_watermark: 0.9,
      pin_max_bytes: 5 * GIB,
      eviction: "gdsf",
      shares: [],
    },
    use: {
      used: 5 * GIB,
      internal: { bytes: GIB, count: 2 },
      cached: { bytes: 4 * GIB, count: 40 },
      pinned: NONE,
      irreplaceable: NONE,
      quarantined: NONE,
      condemned: NONE,
      reserved: NONE,
    },
    projects: [{ project: "alpha\u001b[2J", bytes: GIB, count: 1, reserved: 0, part: 0.25 }],
    origins: [{ origin: "origin.example", bytes: 3 * GIB, count: 3, reserved: GIB, part: null }],
    replicas: [{ replica: "http://10.0.0.5:8080", spool: { used: 0, limit: GIB }, hot: null }],
  };
}

function server(settings: object = {}): Promise<WireServer> {
  return startWireServer((_request, response) => answerJson(response, 200, view(settings)));
}

function capacity(to: WireServer, ...args: readonly string[]): Promise<CliResult> {
  return runCli(["capacity", ...args], { env: { CISTERN_URL: to.url, CISTERN_TOKEN: "token-of-the-test" } });
}

describe("cistern capacity", () => {
  test("shows limits and use with bars; names of others move no cursor", async () => {
    await using to = await server();
    const { code, stdout } = await capacity(to, "show");
    expect(code).toBe(0);
    expect(stdout).toContain("cache  ############............ 5 GiB of 10 GiB\n");
    expect(stdout).toMatch(/^high +95% +default$/m);
    expect(stdout).toMatch(/^pins +5 GiB +default$/m);
    expect(stdout).toMatch(/^cached +4 GiB +40 +##########\.{14}$/m);
    expect(stdout).toMatch(/^origin origin\.example +3 GiB +1 GiB +- +##########\.{14}$/m);
    expect(stdout).toMatch(/^project alpha\?\[2J +1 GiB +0 B +25% +##########\.{14}$/m);
    expect(stdout).toMatch(/^http:\/\/10\.0\.0\.5:8080 +0 B of 1 GiB +-$/m);
    expect(stdout).not.toContain("\u001b");
    expect(JSON.parse((await capacity(to, "show", "--json")).stdout)).toEqual(view());
  });

  test("sets what is named, keeps what is not, and only what it has seen", async () => {
    const shares = [
      { project: "alpha", part: 0.5 },
      { origin: "origin.example", part: 0.1 },
    ];
    await using to = await server({ cache_bytes: GIB, eviction: "lru", shares });
    const named = ["--cache", "20GiB", "--high", "80%", "--low", "0.5", "--eviction", "default"];
    const parts = ["--share", "project:alpha=none", "--share", "project:beta=25%"];
    expect((await capacity(to, "set", ...named, ...parts)).code).toBe(0);
    const [, put] = to.seen;
    expect([put?.method, put?.path, put?.headers["if-match"]]).toEqual(["PUT", "/v1/capacity", '"r7"']);
    expect(JSON.parse(put?.body ?? "")).toMatchObject({
      cache_bytes: 20 * GIB,
      high_watermark: 0.8,
      low_watermark: 0.5,
      eviction: null,
      pin_max_bytes: null,
      shares: [
        { origin: "origin.example", part: 0.1 },
        { project: "beta", part: 0.25 },
      ],
    });
  });

  test("default takes each setting back", async () => {
    const set = { cache_bytes: GIB, spool_bytes: GIB, hot_bytes: GIB, pin_max_bytes: GIB };
    await using to = await server({ ...set, high_watermark: 0.8, low_watermark: 0.7, eviction: "lru" });
    const names = ["cache", "spool", "hot", "pins", "high", "low", "eviction"];
    expect((await capacity(to, "set", ...names.flatMap((name) => [`--${name}`, "default"]))).code).toBe(0);
    const { settings } = Object(view());
    expect(JSON.parse(to.seen[1]?.body ?? "")).toEqual(settings);
  });

  test("what is so already is shown, and set no second time", async () => {
    await using to = await server({ cache_bytes: GIB });
    expect(await capacity(to, "set", "--cache", "1GiB")).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^cache /),
      stderr: "",
    });
    expect(to.seen.map(({ method }) => method)).toEqual(["GET"]);
  });

  test("sets limits of fetches by name, and shows which are set", async () => {
    await using to = await server({ fills: { total: 10, per_origin: 5 } });
    const args = ["--fills", "per-project=100", "--fills", "per-origin=default"];
    expect((await capacity(to, "set", ...args)).code).toBe(0);
    expect(JSON.parse(to.seen[1]?.body ?? "").fills).toEqual({ total: 10, per_project: 100 });
    const fills = { total: 10, per_project: 250 };
    const whole = { ...Object(view({ fills: { total: 10 } })), limits: { ...Object(view()).limits, fills } };
    await using shown = await startWireServer((_request, response) => answerJson(response, 200, whole));
    const { stdout } = await capacity(shown, "show");
    expect(stdout).toMatch(/^fills total +10 +set$/m);
    expect(stdout).toMatch(/^fills per-project +250 +default$/m);
  });

  test("what is no limit is refused before anything is asked", async () => {
    await using to = await server();
    for (const args of [
      ["--cache", "much"],
      ["--cache", "10"],
      ["--high", "120%"],
      ["--low", "0"],
      ["--share", "beta=1"],
      ["--share", "project:beta=300%"],
      ["--eviction", "x"],
      ["--fills", "speed=9"],
      ["--fills", "total=many"],
    ]) {
      expect((await capacity(to, "set", ...args)).code).toBe(2);
    }
    expect(to.seen).toEqual([]);
    expect((await capacity(to, "set")).code).toBe(2);
  });
});
