import { chmod, cp, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { LAUNCHER, runCli } from "./run-cli.ts";

let folder = "";

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-launcher-"));
});
afterEach(() => rm(folder, { recursive: true, force: true }));

/** A clone with nothing in it but the launcher, a main.ts that tells how it was started, and this `node`. */
async function cloneWith(node: string): Promise<string> {
  const clone = join(folder, "clone with blank");
  const bin = join(clone, "node_modules", ".bin");
  await mkdir(join(clone, "src", "cli"), { recursive: true });
  await mkdir(bin, { recursive: true });
  await cp(LAUNCHER, join(clone, "src", "cli", "cistern"));
  await writeFile(
    join(clone, "src", "cli", "main.ts"),
    "console.log(JSON.stringify({ pool: process.env.UV_THREADPOOL_SIZE, args: process.argv.slice(2), cwd: process.cwd() }));\n",
  );
  await writeFile(join(bin, "node"), node);
  await chmod(join(bin, "node"), 0o755);
  return join(clone, "src", "cli", "cistern");
}

const REAL_NODE = `#!/bin/sh\nexec "${process.execPath}" "$@"\n`;

test("starts through a chain of links, with the clone's Node, the working directory and the arguments as they are", async () => {
  await symlink(await cloneWith(REAL_NODE), join(folder, "absolute"));
  await symlink("absolute", join(folder, "relative"));
  const result = await runCli(["a b", "--c", ""], { launcher: join(folder, "relative"), cwd: folder });
  expect(result).toMatchObject({ code: 0, stderr: "" });
  expect(JSON.parse(result.stdout)).toEqual({ pool: "16", args: ["a b", "--c", ""], cwd: folder });
});

test("leaves a pool size that is set as it is", async () => {
  const result = await runCli([], { launcher: await cloneWith(REAL_NODE), env: { UV_THREADPOOL_SIZE: "32" } });
  expect(JSON.parse(result.stdout)).toMatchObject({ pool: "32" });
});

test("refuses a Node that is too old, and says what to do", async () => {
  const launcher = await cloneWith("#!/bin/sh\necho v20.19.1\n");
  const result = await runCli(["ls"], { launcher });
  expect(result).toMatchObject({ code: 1, stdout: "" });
  expect(result.stderr).toMatch(/needs Node 24 or newer, found v20\.19\.1: run npm ci in .*clone with blank\n$/);
});

test("says what to do where there is no Node at all", async () => {
  const launcher = await cloneWith("#!/bin/sh\nexit 127\n");
  const result = await runCli(["ls"], { launcher });
  expect(result.code).toBe(1);
  expect(result.stderr).toMatch(/run npm ci in/);
});
