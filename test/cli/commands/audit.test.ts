import { execFile } from "node:child_process";
import { promisify } from "node:util";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../../support/embedded-app.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../../support/fault-origin.ts";
import { LAUNCHER, runCli } from "../run-cli.ts";

// `cistern audit` and `cistern quota` against a real server and a real origin.

const CONTENT = { size: 300_000, seed: "audit" };
let cistern: Embedded;
let origin: FaultOrigin;

beforeAll(async () => {
  origin = await startFaultOrigin();
  cistern = await startEmbedded();
  origin.serve("/a.img", CONTENT);
  const blob = await cistern.image({ url: origin.url("/a.img?token=geheim"), sha256: digestOf(CONTENT) });
  await cistern.ask("GET", blob);
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

function cli(args: readonly string[], token = cistern.adminToken) {
  return runCli(args, { env: { CISTERN_URL: cistern.url, CISTERN_TOKEN: token } });
}

test("audit ls shows changes and what left, in a table or as JSON; filters narrow", async () => {
  const listed = async () => (await cli(["audit", "ls", "--kind", "egress"])).stdout;
  await expect.poll(listed, { timeout: 10_000, interval: 500 }).toContain("(passed, 293 KiB)");
  const all = await cli(["audit", "ls", "--since", "PT1H"]);
  expect(all.stdout).toMatch(/^TIME +WHO +PROJECT +ADDRESS +ACTION +OBJECT$/m);
  expect(all.stdout).toMatch(/ admin +admin +127\.0\.0\.1 +location\.set +artifacts\/images\/[0-9a-f-]+\/image$/m);
  expect(all.stdout).not.toContain("geheim");
  const json = JSON.parse((await cli(["audit", "ls", "--action", "artifact.*", "--limit", "1", "--json"])).stdout);
  expect(json.entries).toMatchObject([{ action: "artifact.update", after: { status: "active" } }]);
  const few = await cli(["audit", "ls", "--limit", "1"]);
  expect(few.stderr).toContain("there are more");
});

test("audit export writes a line for each entry", async () => {
  const done = await cli(["audit", "export", "--kind", "change"]);
  const lines = done.stdout.trimEnd().split("\n");
  expect(lines.map((line) => JSON.parse(line).action)).toEqual(["artifact.update", "location.set", "artifact.create"]);
  expect(done).toMatchObject({ code: 0, stderr: "3 entries\n" });
});

test("audit export to a reader that has enough says nothing of it", async () => {
  const command = `"${LAUNCHER}" audit export | true`;
  const env = { PATH: process.env.PATH, CISTERN_URL: cistern.url, CISTERN_TOKEN: cistern.adminToken };
  expect((await promisify(execFile)("sh", ["-c", command], { env })).stderr).not.toContain("EPIPE");
});

test("audit says what is wrong, and for whom it is not", async () => {
  expect((await cli(["audit", "ls", "--actor", "nobody"])).stderr).toBe("no entries\n");
  expect(await cli(["audit", "ls", "--since", "yesterday"])).toMatchObject({ code: 2, stdout: "" });
  const member = await cistern.token("blue", ["member"]);
  expect(await cli(["audit", "ls"], member)).toMatchObject({ code: 4, stdout: "" });
  expect(await cli(["audit", "export"], member)).toMatchObject({ code: 4, stdout: "" });
});

test("quota sets, shows and lists; default takes back", async () => {
  const set = await cli(["quota", "set", "blue", "--fetched", "100GiB", "--fills", "none"]);
  expect(set, set.stderr).toMatchObject({ code: 0 });
  expect(set.stdout).toMatch(/^blue +100 GiB +none$/m);
  expect(set.stdout).toMatch(/^\(all others\) +none +250$/m);
  const member = await cistern.token("blue", ["member"]);
  expect((await cli(["quota", "show"], member)).stdout).toMatch(/^blue +100 GiB +0 B +none$/m);
  expect(await cli(["quota", "show", "red"], member)).toMatchObject({ code: 4 });
  await cli(["quota", "set", "blue", "--fetched", "default", "--fills", "default"]);
  expect(JSON.parse((await cli(["quota", "ls", "--json"])).stdout).quotas).toEqual([]);
  expect(await cli(["quota", "set", "blue"])).toMatchObject({ code: 2 });
  const revision = async () => JSON.parse((await cli(["quota", "ls", "--json"])).stdout).revision;
  const seen = await revision();
  expect((await cli(["quota", "ls"])).stderr).toContain(`revision ${seen}`);
  const change = ["quota", "set", "blue", "--fetched", "1GiB", "--if-revision", seen];
  expect(await cli(change)).toMatchObject({ code: 0, stderr: expect.stringContaining(await revision()) });
  expect(await cli(change)).toMatchObject({ code: 1, stderr: expect.stringContaining("try again") });
  expect(await cli([...change.slice(0, -1), "r1"])).toMatchObject({ code: 2 });
  expect(await cli(["quota", "set", "blue", "--fetched", "much"])).toMatchObject({ code: 2 });
});
