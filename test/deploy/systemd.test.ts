import { execFile } from "node:child_process";
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { SECRET_NAMES, VARIABLES } from "../../src/config/variables.ts";
import { parseDuration } from "../../src/domain/duration.ts";
import { answersOk, startProgram, untilReady } from "../support/child-program.ts";
import { digestOf, startFaultOrigin } from "../support/fault-origin.ts";
import { freePort } from "../support/free-port.ts";
import { ask } from "../support/http-client.ts";
import { requireProgram } from "../support/programs.ts";
import { registerImage } from "../support/register-image.ts";
import { childOf } from "./support/child-of.ts";
import { CLONE } from "./support/validators.ts";

const run = promisify(execFile);
const UNIT = join(CLONE, "deploy/cistern.service");
const DROP_IN = join(CLONE, "deploy/cistern-cluster.conf");
const HAVE_ANALYZE = requireProgram("systemd-analyze");
/** systemd's scale goes to 100; what rests is the network, V8's writable code, and threads that may give way. */
const MOST_EXPOSED = 13;

let folder = "";
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-systemd-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

/** The values of a setting, in order, as the unit file has them. */
async function valuesOf(file: string, setting: string): Promise<readonly string[]> {
  const text = await readFile(file, "utf8");
  return [...text.matchAll(new RegExp(`^${setting}=(.*)$`, "gm"))].map(([, value = ""]) => value);
}

describe.skipIf(!HAVE_ANALYZE).each(["embedded", "cluster"])("cistern.service, %s", (mode) => {
  let unit = "";

  beforeAll(async () => {
    const directory = join(folder, mode);
    unit = join(directory, "cistern.service");
    await mkdir(`${unit}.d`, { recursive: true });
    // Whether the program is there is judged, too: it is, but in this clone.
    await writeFile(unit, (await readFile(UNIT, "utf8")).replaceAll("=/opt/cistern/", `=${CLONE}`));
    if (mode === "cluster") await cp(DROP_IN, join(`${unit}.d`, "cluster.conf"));
  });

  test("systemd-analyze verify has nothing to say", async () => {
    const { stdout, stderr } = await run("systemd-analyze", ["verify", "--man=no", unit]);
    expect(stdout + stderr).toBe("");
  });

  test("systemd-analyze security finds it next to nowhere exposed", async () => {
    const args = ["security", "--offline=true", `--threshold=${MOST_EXPOSED}`, "--no-pager", unit];
    const { stdout } = await run("systemd-analyze", args);
    expect(stdout).toMatch(/Overall exposure level for cistern\.service: [01]\.\d OK/);
  });
});

test("nobody is killed before they have drained, by the defaults", async () => {
  const [limit = ""] = await valuesOf(UNIT, "TimeoutStopSec");
  const defaults = VARIABLES.filter(({ name }) => /^CISTERN_DRAIN_/.test(name)).map(({ fallback }) =>
    parseDuration(fallback),
  );
  const longest = defaults.reduce<number>((sum, time) => sum + (time ?? Number.NaN), 0);
  expect(Number.parseInt(limit, 10) * 1000).toBeGreaterThan(longest);
});

test("each credential is loaded for the variable that reads it", async () => {
  const loaded = (await valuesOf(DROP_IN, "LoadCredential")).map((value) => value.split(":")[0]);
  const environment = await valuesOf(DROP_IN, "Environment");
  expect(environment.map((value) => value.replace(/^\w+_FILE=%d\//, ""))).toEqual(loaded);
  for (const value of environment) {
    const name = value.replace(/_FILE=.*/, "");
    expect(SECRET_NAMES).toContain(name);
  }
});

test("cistern.env.example holds every variable with its meaning and its default, and sets none", async () => {
  const text = await readFile(join(CLONE, "deploy/cistern.env.example"), "utf8");
  const [, ...entries] = text.trim().split("\n\n");
  const expected = VARIABLES.map(({ name, fallback, meaning }) => {
    const literal = !/ |^none$|^generated$|^required$/.test(fallback);
    return `# ${meaning}\n#${name}=${literal ? fallback : `<${fallback}>`}`;
  });
  expect(entries).toEqual(expected);
});

describe.skipIf(!HAVE_ANALYZE || !requireProgram("strace"))("what the unit forbids", () => {
  test("the server does without: system calls and address families", async () => {
    const trace = join(folder, "trace");
    await serveUnder(["strace", "--follow-forks", "--quiet=all", "-e", "signal=none", "--output", trace]);
    const lines = await readFile(trace, "utf8");

    const used = new Set([...lines.matchAll(/^\d+ +(\w+)\(/gm)].map(([, call = ""]) => call));
    expect(used).toContain("pwrite64");
    const allowed = new Set(await allowedCalls());
    // SQLite gives its journal to the file's owner when it runs as root, which no unit lets it.
    if (process.getuid?.() === 0) allowed.add("fchown");
    expect([...used].filter((call) => !allowed.has(call))).toEqual([]);

    const families = new Set([...lines.matchAll(/ socket(?:pair)?\((AF_\w+)/g)].map(([, family = ""]) => family));
    const [permitted = ""] = await valuesOf(UNIT, "RestrictAddressFamilies");
    expect(permitted.split(" ")).toEqual(expect.arrayContaining([...families]));
  }, 180_000);
});

/** From the start to SIGTERM, with a fill and a hit between them, in an environment as the unit makes it. */
async function serveUnder([wrapper = "", ...args]: readonly string[]): Promise<void> {
  const listen = `127.0.0.1:${await freePort()}`;
  const adminToken = "cst_under_a_unit_that_forbids_much";
  const env = {
    PATH: process.env.PATH,
    NODE_ENV: "production",
    NODE_COMPILE_CACHE: join(folder, "compiled"),
    CISTERN_LISTEN: listen,
    CISTERN_DATA_DIR: join(folder, "data"),
    CISTERN_ADMIN_TOKEN: adminToken,
    CISTERN_ORIGIN_ALLOW: "127.0.0.0/8",
  };
  const command = [...args, join(CLONE, "src/cli/cistern"), "serve"];
  await using traced = await startProgram(wrapper, command, { env, graceMs: 30_000 });
  const url = `http://${listen}`;
  await untilReady(traced, () => answersOk(`${url}/readyz`), 120_000);
  await using origin = await startFaultOrigin();
  const content = { size: 3 << 20, seed: "traced" };
  origin.serve("/traced.img", content);
  const blob = { url: origin.url("/traced.img"), sha256: digestOf(content, "sha256"), md5: digestOf(content, "md5") };
  const image = await registerImage({ url, adminToken }, "traced", blob);
  for (const _ of ["fill", "hit"]) {
    const answer = await ask(image.url, { headers: { "X-Auth-Token": adminToken } });
    expect(answer).toMatchObject({ status: 200, complete: true });
  }
  process.kill(await childOf(traced), "SIGTERM");
  expect(await traced.exited).toEqual({ code: 0, signal: null });
}

/** What SystemCallFilter leaves; systemd always adds @default. */
async function allowedCalls(): Promise<ReadonlySet<string>> {
  const allowed = new Set(await callsOf("@default"));
  for (const filter of await valuesOf(UNIT, "SystemCallFilter")) {
    for (const group of filter.replace(/^~/, "").split(" ")) {
      for (const call of await callsOf(group)) filter.startsWith("~") ? allowed.delete(call) : allowed.add(call);
    }
  }
  return allowed;
}

async function callsOf(group: string): Promise<readonly string[]> {
  if (!group.startsWith("@")) return [group];
  const { stdout } = await run("systemd-analyze", ["--no-pager", "syscall-filter", group]);
  const entries = stdout
    .split("\n")
    .slice(1)
    .map((line) => line.trim());
  const nested = entries.filter((entry) => entry.startsWith("@")).map(callsOf);
  return [...entries.filter((entry) => /^\w+$/.test(entry)), ...(await Promise.all(nested)).flat()];
}
