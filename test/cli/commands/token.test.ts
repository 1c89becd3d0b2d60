import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startCistern } from "../../support/cistern-process.ts";
import { ask } from "../../support/http-client.ts";
import { runCli } from "../run-cli.ts";

// `cistern token create --local` beside the real server's data directory.

let folder = "";

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-token-"));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

function create(dataDir: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  return runCli(["token", "create", ...args], { cwd: folder, env: { CISTERN_DATA_DIR: dataDir, ...env } });
}

describe("token create --local", () => {
  test("makes a token that the server takes at its next start; it is refused while one runs", async () => {
    const dataDir = join(folder, "data");
    await using first = await startCistern({ dataDir });
    const plain = await create(dataDir, ["lost", "--local"]);
    expect(plain).toMatchObject({ code: 1, stdout: "" });
    expect(plain.stderr).toBe(
      "cistern: a server runs on this data directory\n  stop it for as long as this takes, or leave out --local to ask it\n",
    );
    const json = await create(dataDir, ["lost", "--local", "--json"]);
    expect(JSON.parse(json.stdout).error).toMatchObject({ code: "data-dir-locked", exit: 1 });
    // No orderly end: that is when one may have to look for a token.
    await first.kill("SIGKILL");

    const reader = await create(dataDir, ["lost", "--local"]);
    expect(reader).toMatchObject({ code: 0, stdout: expect.stringMatching(/^cst_[\w-]{43}\n$/) });
    expect(reader.stderr).toMatch(/^token [0-9a-f-]{36} \(lost\), shown only now:\n$/);
    const flags = ["--role", "admin", "auditor", "--project", "ops", "--cidr", "127.0.0.0/8", "--expires", "PT1H"];
    const admin = JSON.parse((await create(dataDir, ["admin-2", "--local", "--json", ...flags])).stdout);
    expect(admin).toMatchObject({
      name: "admin-2",
      project: "ops",
      roles: ["admin", "auditor"],
      cidrs: ["127.0.0.0/8"],
    });
    const left = Date.parse(admin.expires_at) - Date.parse(admin.created_at);
    // Counted from the command's start, before the catalog opens.
    expect(left).toBeLessThanOrEqual(3_600_000);
    expect(left).toBeGreaterThan(3_500_000);

    await using second = await startCistern({ dataDir });
    const listed = await ask(`${second.url}/v1/tokens`, { headers: { "X-Auth-Token": admin.token } });
    expect(listed.status).toBe(200);
    expect(listed.body.toString()).toContain('"lost"');
    const own = { "X-Auth-Token": reader.stdout.trim() };
    expect((await ask(`${second.url}/artifacts/images`, { headers: own })).status).toBe(200);
    expect((await ask(`${second.url}/v1/tokens`, { headers: own })).status).toBe(403);
    // Six processes and a catalog that is recovered, one after the other.
  }, 90_000);

  test("makes no catalog where there is none", async () => {
    const dataDir = join(folder, "elsewhere");
    const result = await create(dataDir, ["lost", "--local"]);
    expect(result).toMatchObject({ code: 2, stdout: "" });
    expect(result.stderr).toContain("CISTERN_DATA_DIR: holds no catalog");
    await expect(stat(dataDir)).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("asks no server, takes no broken input and no broken configuration", async () => {
    const dataDir = join(folder, "none");
    expect(await create(dataDir, ["x", "--local", "--url", "http://127.0.0.1:1"])).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("leave out --url and --token"),
    });
    expect(await create(dataDir, ["x", "--local", "--cidr", "everyone"])).toMatchObject({
      code: 1,
      stderr: expect.stringContaining("cidrs.0: must be a CIDR"),
    });
    expect(await create(dataDir, ["x", "--local"], { CISTERN_MODE: "fast" })).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("CISTERN_MODE: must be one of"),
    });
  });
});
