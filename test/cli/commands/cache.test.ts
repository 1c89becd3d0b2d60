import { randomBytes } from "node:crypto";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../../support/embedded-app.ts";
import { digestOf, type FaultOrigin, startFaultOrigin } from "../../support/fault-origin.ts";
import { runCli } from "../run-cli.ts";

let app: Embedded;
let origin: FaultOrigin;
let sequence = 0;

beforeAll(async () => {
  origin = await startFaultOrigin();
  app = await startEmbedded();
}, 60_000);
afterAll(async () => {
  await app?.[Symbol.asyncDispose]();
  await origin?.[Symbol.asyncDispose]();
}, 60_000);

const cistern = (...args: readonly string[]) =>
  runCli(["cache", ...args], { env: { CISTERN_URL: app.url, CISTERN_TOKEN: app.adminToken } });

async function cached(size: number) {
  const bytes = randomBytes(size);
  sequence += 1;
  origin.serve(`/cli-${sequence}`, bytes);
  const sha256 = digestOf(bytes);
  const image = await app.image({ url: origin.url(`/cli-${sequence}`), sha256 });
  expect((await app.ask("GET", image)).status).toBe(200);
  await expect.poll(async () => (await app.ask("GET", `/v1/contents/${sha256}`)).status, { timeout: 10_000 }).toBe(200);
  return { sha256, image, artifact: image.split("/")[3] ?? "" };
}

test("ls and show tell what is cached, to people and to programs", async () => {
  const { sha256, artifact } = await cached(2048);
  const listed = await cistern("ls", "--artifact", artifact);
  expect(listed.code, listed.stderr).toBe(0);
  expect(listed.stdout.split("\n")[0]?.split(/ {2,}/).slice(0, 3)).toEqual(["SHA256", "NAME", "SIZE"]);
  expect(listed.stdout).toMatch(new RegExp(`^${sha256}  image-\\d+ +2 KiB  admitted`, "m"));
  const json = JSON.parse((await cistern("ls", "--artifact", artifact, "--json")).stdout);
  expect(json.contents).toMatchObject([{ sha256, size: 2048 }]);
  expect((await cistern("ls", "--min-size", "1TiB")).stderr).toContain("no contents");
  const shown = await cistern("show", sha256);
  expect(shown.stdout).toMatch(/^sha256: +[0-9a-f]{64}$/m);
  expect(shown.stdout).toContain(artifact);
  expect((await cistern("show", "0".repeat(64))).code).toBe(3);
}, 60_000);

test("a content may be named by an artifact that has it", async () => {
  const { sha256, artifact } = await cached(2100);
  const { name } = JSON.parse((await app.ask("GET", `/artifacts/images/${artifact}`)).body.toString());
  expect((await cistern("show", artifact)).stdout).toContain(sha256);
  expect((await cistern("pin", name, "--reason", "release")).stdout).toContain(`pinned ${sha256}`);
  expect((await cistern("unpin", sha256.toUpperCase())).stdout).toContain(`unpinned ${sha256}`);
  expect((await cistern("ls", "--artifact", name)).stdout).toContain(sha256);
  expect((await cistern("purge", name)).stdout).toContain(`purged ${sha256}`);
  expect((await cistern("purge", "--artifact", name)).stdout).toContain("0 purged");
  const unknown = await app.image({ url: origin.url("/never-fetched") });
  const never = await cistern("block", unknown.split("/")[3] ?? "", "--reason", "r");
  expect([never.code, never.stderr]).toEqual([3, expect.stringContaining("no sha256 is known yet")]);
  expect((await cistern("show", sha256.slice(0, 12))).stderr).toContain("a sha256 has 64 hexadecimal digits");
}, 90_000);

test("pin, unpin, block, blocks and unblock", async () => {
  const { sha256, image } = await cached(1000);
  expect((await cistern("pin", sha256, "--reason", "release", "--for", "P7D")).stdout).toMatch(/^pinned .* until 20/);
  expect((await cistern("ls", "--pinned")).stdout).toContain(sha256);
  expect((await cistern("purge", sha256)).code).toBe(1);
  expect((await cistern("unpin", sha256)).code).toBe(0);
  expect((await cistern("block", sha256, "--reason", "recalled")).code).toBe(0);
  expect((await app.ask("GET", image)).status).toBe(403);
  expect((await cistern("blocks")).stdout).toContain("recalled");
  expect(JSON.parse((await cistern("unblock", sha256, "--json")).stdout)).toEqual({ unblocked: { sha256 } });
  expect((await app.ask("GET", image)).status).toBe(200);
}, 90_000);

test("verify heals, and says so", async () => {
  const { sha256 } = await cached(5000);
  expect((await cistern("verify", sha256)).stdout).toBe(`${sha256} is intact\n`);
  const { object } = JSON.parse((await app.ask("GET", `/v1/contents/${sha256}`)).body.toString());
  await using file = await open(join(app.dataDir, "store", object), "r+");
  await file.write(Buffer.alloc(8), 0, 8, 100);
  expect((await cistern("verify", sha256)).stdout).toBe(`${sha256} is damaged, healed from origin\n`);
  expect((await cistern("jobs")).stdout).toMatch(/verify done: damaged, /);
}, 60_000);

test("what nothing heals is damaged each time that it is verified, and not gone", async () => {
  const { sha256 } = await cached(900);
  origin.serve(`/cli-${sequence}`, randomBytes(900));
  const { object } = JSON.parse((await app.ask("GET", `/v1/contents/${sha256}`)).body.toString());
  await using file = await open(join(app.dataDir, "store", object), "r+");
  await file.write(Buffer.alloc(8), 0, 8, 100);
  for (const args of [
    ["verify", sha256],
    ["verify", sha256],
    ["verify", sha256, "--json"],
  ]) {
    const verified = await cistern(...args);
    expect(verified.code).toBe(6);
    if (args.includes("--json")) expect(JSON.parse(verified.stdout).result).toMatchObject({ healed_from: "nothing" });
  }
}, 60_000);

test("purge, dry and wet, scrub, and the jobs that they were", async () => {
  const { sha256, artifact } = await cached(3000);
  const dry = await cistern("purge", "--artifact", artifact, "--dry-run");
  expect([dry.stdout.includes(sha256), dry.stderr]).toEqual([true, "purge would do: 1 purged, 2.9 KiB\n"]);
  const none = await cistern("purge", "--origin", "nobody.example", "--dry-run");
  expect([none.stdout, none.stderr]).toEqual(["", "purge would do: 0 purged\n"]);
  const wet = await cistern("purge", "--artifact", artifact);
  expect(wet.stdout).toMatch(/^purge done: 1 purged, 2\.9 KiB \(job [0-9a-f-]{36}\)\n$/);
  const scrubbed = JSON.parse((await cistern("scrub", "--json")).stdout);
  expect(scrubbed).toMatchObject({ kind: "scrub", state: "done", result: { damaged: 0 } });
  const jobs = await cistern("jobs");
  expect(jobs.stdout).toContain("purge done: 1 purged");
  expect(jobs.stdout).toContain(scrubbed.id);
  expect((await cistern("cancel", scrubbed.id)).stdout).toMatch(/^scrub done/);
}, 120_000);

test.each([
  [["purge"]],
  [["purge", "0".repeat(64), "--all"]],
  [["pin", "0".repeat(64)]],
  [["pin", "0".repeat(64), "--reason", "r", "--for", "a week"]],
  [["ls", "--sort", "name"]],
  [["ls", "--min-size", "many"]],
])(
  "%j is wrong usage",
  async (args) => {
    expect((await cistern(...args)).code).toBe(2);
  },
  30_000,
);
