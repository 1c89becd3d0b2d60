import { mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { answersOk, startProgram, untilReady } from "../support/child-program.ts";
import { type CisternProcess, startCistern } from "../support/cistern-process.ts";
import { type Content, digestOf, startFaultOrigin } from "../support/fault-origin.ts";
import { freePort } from "../support/free-port.ts";
import { requireProgram } from "../support/programs.ts";
import { type CliOptions, type CliResult, LAUNCHER, runCli } from "./run-cli.ts";

// The command line against the real server, over a real origin.

const IMAGE: Content = { size: 8 * 2 ** 20 + 11, seed: "cli" };
const SHA256 = digestOf(IMAGE, "sha256");

let folder = "";
let cistern: CisternProcess;
let origin: Awaited<ReturnType<typeof startFaultOrigin>>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cistern-cli-real-"));
  origin = await startFaultOrigin();
  cistern = await startCistern({ dataDir: join(folder, "data") });
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
  await rm(folder, { recursive: true, force: true });
});

/** As on the server's own machine: the admin token comes from the data directory. */
function cli(args: readonly string[], env: CliOptions["env"] = {}): Promise<CliResult> {
  return runCli(args, { cwd: folder, env: { CISTERN_URL: cistern.url, CISTERN_DATA_DIR: cistern.dataDir, ...env } });
}

describe("an image that is added by its URL and checksum", () => {
  test("is a fill the first time, a hit the second, and one download of the origin", async () => {
    origin.serve("/walk.qcow2", IMAGE, {});
    const added = await cli(["add", origin.url("/walk.qcow2"), "--sha256", SHA256]);
    expect(added).toMatchObject({ code: 0, stderr: "" });
    expect(added.stdout).toMatch(/^[0-9a-f-]{36} {2}walk\.qcow2 0\.0\.0, active, private\n$/);
    const first = await cli(["get", "walk.qcow2", "-o", "first"]);
    const second = await cli(["get", "walk.qcow2", "-o", "second"]);
    expect(first).toMatchObject({ code: 0, stderr: expect.stringMatching(/8 MiB in .*, fill, sha256 verified/) });
    expect(second).toMatchObject({ code: 0, stderr: expect.stringMatching(/, hit, sha256 verified/) });
    expect(await readFile(join(folder, "second"))).toEqual(await readFile(join(folder, "first")));
    expect(origin.requests("/walk.qcow2").filter(({ method }) => method === "GET")).toHaveLength(1);
  });

  test("is listed, and gone after rm", async () => {
    origin.serve("/gone.iso", IMAGE, {});
    await cli(["add", origin.url("/gone.iso"), "--sha256", SHA256, "--public"]);
    const listed = await cli(["ls"]);
    expect(listed.stdout).toMatch(/images +gone\.iso +0\.0\.0 +active +public .* http:\/\/127/);
    expect(await cli(["rm", "gone.iso"])).toMatchObject({ code: 0 });
    expect(await cli(["get", "gone.iso"])).toMatchObject({ code: 3 });
    expect(
      JSON.parse((await cli(["ls", "--json"])).stdout).artifacts.map(({ name }: { name: string }) => name),
    ).not.toContain("gone.iso");
  });

  test("whose checksum is wrong is refused to everybody, and leaves no file", async () => {
    origin.serve("/wrong.raw", IMAGE, {});
    await cli(["add", origin.url("/wrong.raw"), "--sha256", "0".repeat(64)]);
    const result = await cli(["get", "wrong.raw", "-o", "wrong"]);
    expect(result.code).toBe(6);
    expect((await readdir(folder)).filter((name) => name.startsWith("wrong"))).toEqual([]);
  });

  test("that cannot be registered leaves no record", async () => {
    const result = await cli(["add", "ftp://origin.example/x.iso", "--name", "refused.iso"]);
    expect(result).toMatchObject({ code: 2, stderr: expect.stringContaining("must be an http or https URL") });
    expect(await cli(["get", "refused.iso"])).toMatchObject({ code: 3 });
  });

  test("survives a mirror that is down: the other has the same bytes", async () => {
    origin.serve("/b.qcow2", IMAGE, {});
    origin.serve("/a.qcow2", IMAGE, { status: 500 });
    const mirror = `b=${origin.url("/b.qcow2")}`;
    expect(
      await cli(["add", origin.url("/a.qcow2"), "--sha256", SHA256, "--name", "m.qcow2", "--mirror", mirror]),
    ).toMatchObject({
      code: 0,
    });
    expect(await cli(["get", "m.qcow2", "-o", "mirrored"])).toMatchObject({ code: 0 });
  });

  test("of type files needs no checksum: the first fetch is recorded, and checked", async () => {
    origin.serve("/notes.tar.gz", IMAGE, {});
    await cli(["add", origin.url("/notes.tar.gz"), "--type", "files"]);
    const result = await cli(["get", "notes.tar.gz"]);
    expect(result).toMatchObject({ code: 0, stderr: expect.stringContaining("sha256 verified") });
    const [listed] = JSON.parse((await cli(["ls", "--type", "files", "--json"])).stdout).artifacts;
    expect(listed.file).toMatchObject({ sha256: SHA256, size: 8 * 2 ** 20 + 11 });
  });
});

describe("a download", () => {
  test("goes on where an earlier one stopped", async () => {
    origin.serve("/resume.qcow2", IMAGE, {});
    await cli(["add", origin.url("/resume.qcow2"), "--sha256", SHA256]);
    await cli(["get", "resume.qcow2", "-o", "whole"]);
    const whole = await readFile(join(folder, "whole"));
    await writeFile(join(folder, "again.part"), whole.subarray(0, 5_000_000));
    expect(await cli(["get", "resume.qcow2", "-o", "again"])).toMatchObject({ code: 0 });
    expect((await readFile(join(folder, "again"))).equals(whole)).toBe(true);
    expect((await readdir(folder)).filter((name) => name.endsWith(".part"))).toEqual([]);
  });

  test.skipIf(!requireProgram("script"))("draws a bar on a terminal", async () => {
    const other: Content = { size: 8 * 2 ** 20 + 11, seed: "bar" };
    origin.serve("/bar.qcow2", other, {});
    await cli(["add", origin.url("/bar.qcow2"), "--sha256", digestOf(other, "sha256")]);
    const command = `stty cols 100 && exec ${LAUNCHER} get bar.qcow2 -o bar`;
    const result = await runCli(["-qec", command, "/dev/null"], {
      launcher: "script",
      cwd: folder,
      env: { CISTERN_URL: cistern.url, CISTERN_DATA_DIR: cistern.dataDir, TERM: "xterm" },
    });
    expect(result.code).toBe(0);
    expect(result.stdout).toMatch(/bar\.qcow2 \[[=> ]+\] +\d+% .*\/8 MiB .*\/s .* left fill/);
    expect((await stat(join(folder, "bar"))).size).toBe(8 * 2 ** 20 + 11);
  });
});

describe("a token", () => {
  test("is shown once, works until it is revoked, and is listed without its secret", async () => {
    const created = await cli(["token", "create", "ci", "--role", "reader", "--expires", "P1D"]);
    expect(created.code).toBe(0);
    const token = created.stdout.trim();
    expect((await cli(["ls"], { CISTERN_TOKEN: token })).code).toBe(0);
    expect(await cli(["add", origin.url("/x.iso")], { CISTERN_TOKEN: token })).toMatchObject({ code: 4 });

    const listed = await cli(["token", "ls", "--json"]);
    expect(listed.stdout).not.toContain(token);
    const mine = JSON.parse(listed.stdout).tokens.find(({ name }: { name: string }) => name === "ci");
    expect(mine).toMatchObject({ roles: ["reader"], project: "ci" });
    expect((await cli(["token", "ls"])).stdout).toMatch(/ci +ci +reader .* valid until /);

    expect(await cli(["token", "revoke", mine.id])).toMatchObject({ code: 0, stdout: `revoked ${mine.id}\n` });
    expect(await cli(["ls"], { CISTERN_TOKEN: token })).toMatchObject({ code: 4 });
    expect((await cli(["token", "ls"])).stdout).toMatch(/ci +ci +reader .* revoked/);
  });

  test("that does not exist cannot be revoked", async () => {
    expect(await cli(["token", "revoke", "11111111-2222-4333-8444-555555555555"])).toMatchObject({ code: 3 });
  });

  test("is the admin's to make", async () => {
    const reader = (await cli(["token", "create", "r2"])).stdout.trim();
    expect(reader).not.toBe("");
    expect(await cli(["token", "create", "x"], { CISTERN_TOKEN: reader })).toMatchObject({ code: 4 });
  });
});

describe("cistern serve", () => {
  test("runs the same server, and ends well at SIGTERM", async () => {
    const listen = `127.0.0.1:${await freePort()}`;
    const env = { ...process.env, CISTERN_DATA_DIR: join(folder, "served"), CISTERN_LISTEN: listen };
    await using served = await startProgram(LAUNCHER, ["serve"], { env });
    await untilReady(served, () => answersOk(`http://${listen}/readyz`), 30_000);
    expect(await served.kill("SIGTERM")).toEqual({ code: 0, signal: null });
  });

  test("refuses a data directory that is in use, and says what to do", async () => {
    const env = { CISTERN_DATA_DIR: cistern.dataDir, CISTERN_LISTEN: "127.0.0.1:0" };
    const result = await runCli(["serve"], { env });
    expect(result).toMatchObject({ code: 78, stderr: expect.stringContaining("another Cistern process uses this") });
  });

  test("lists every mistake of the configuration", async () => {
    const result = await runCli(["serve"], {
      env: { CISTERN_LISEN: "x", CISTERN_MODE: "y", CISTERN_DATA_DIR: folder },
    });
    expect(result.code).not.toBe(0);
    expect(result.stderr).toContain("did you mean CISTERN_LISTEN?");
    expect(result.stderr).toContain("CISTERN_MODE must be one of");
  });
});
