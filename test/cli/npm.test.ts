import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, test } from "vitest";
import { lockDataDir } from "../../src/store/data-lock.ts";
import { answersOk, startProgram, untilReady } from "../support/child-program.ts";
import { freePort } from "../support/free-port.ts";
import { runCli } from "./run-cli.ts";

// The two commands of the README, and npx, in a clone.

const CLONE = fileURLToPath(new URL("../..", import.meta.url));
let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-npm-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

test("npx cistern runs the clone's own command line, without a network", async () => {
  const env = { npm_config_cache: join(folder, "cache"), npm_config_offline: "true", npm_config_loglevel: "error" };
  const result = await runCli(["cistern", "config", "--json"], { launcher: "npx", cwd: CLONE, env });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(result.stdout).kind).toBe("embedded");
});

test("npm start hands SIGTERM on: nothing runs afterwards that holds the data directory", async () => {
  const listen = `127.0.0.1:${await freePort()}`;
  const dataDir = join(folder, "data");
  const env = { ...process.env, CISTERN_LISTEN: listen, CISTERN_DATA_DIR: dataDir };
  await using npm = await startProgram("npm", ["start"], { cwd: CLONE, env });
  await untilReady(npm, () => answersOk(`http://${listen}/readyz`), 30_000);
  expect(npm.output()).toContain(join(dataDir, "admin-token"));
  expect(() => lockDataDir(dataDir)).toThrow("another Cistern process");
  await npm.kill("SIGTERM");
  expect(await answersOk(`http://${listen}/readyz`)).toBe(false);
  lockDataDir(dataDir)[Symbol.dispose]();
});
