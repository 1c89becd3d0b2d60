import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { type Embedded, startEmbedded } from "../../support/embedded-app.ts";
import { type Behaviour, digestOf, type FaultOrigin, startFaultOrigin } from "../../support/fault-origin.ts";
import { runCli } from "../run-cli.ts";

// `cistern fill` against a real server and a real origin.

const SIZE = 300_000;
let cistern: Embedded;
let origin: FaultOrigin;
let sequence = 0;

beforeAll(async () => {
  origin = await startFaultOrigin();
  cistern = await startEmbedded();
});
afterAll(async () => {
  await cistern[Symbol.asyncDispose]();
  await origin[Symbol.asyncDispose]();
});

async function image(...behaviours: Behaviour[]): Promise<{ id: string; url: string; path: string }> {
  sequence += 1;
  const bytes = randomBytes(SIZE);
  origin.serve(`/${sequence}.img`, bytes, ...behaviours);
  const url = origin.url(`/${sequence}.img`);
  const path = await cistern.image({ url, sha256: digestOf(bytes) });
  return { id: path.split("/")[3] ?? "", url, path };
}

function fill(...args: string[]) {
  return runCli(["fill", ...args], { env: { CISTERN_URL: cistern.url, CISTERN_TOKEN: cistern.adminToken } });
}

test("add --wait fetches what is registered under a URL, and says so", async () => {
  const { url, path } = await image();
  const done = await fill("add", url, "--wait", "--priority", "high");
  expect(done, done.stderr).toMatchObject({ code: 0, stdout: "" });
  expect(done.stderr).toMatch(/^image-\d+: done, 293 KiB\n$/m);
  expect((await cistern.ask("GET", path)).headers["cache-status"]).toBe("Cistern; hit");
});

test("add by id answers at once; ls shows it, show tells all, cancel ends it; each as JSON too", async () => {
  const { id } = await image();
  const added = await fill("add", id, "--not-before", "PT1H", "--pin-for", "P7D", "--json");
  const asked = JSON.parse(added.stdout);
  expect(asked).toMatchObject({ state: "queued", artifact: { id }, pin_for: "P7D" });
  const list = await fill("ls", "--state", "queued");
  expect(list.stdout).toContain("PRIO");
  expect(list.stdout).toMatch(new RegExp(`^${asked.id} +queued +prefetch +5 +admin +image-\\d+ +not before 20`, "m"));
  const listed = JSON.parse((await fill("ls", "--kind", "prefetch", "--json")).stdout).fills;
  expect(listed.map((one: { id: string }) => one.id)).toContain(asked.id);
  expect((await fill("show", asked.id)).stdout).toMatch(/^not before: +20\d\d-/m);
  expect((await fill("cancel", asked.id)).stdout).toMatch(/, cancelled\n$/);
  expect(JSON.parse((await fill("show", asked.id, "--json")).stdout).state).toBe("cancelled");
  expect(await fill("watch", asked.id)).toMatchObject({ code: 1 });
});

test("add --all fetches all that match, and watch tells each change as JSON", async () => {
  await image();
  await image();
  const { id } = JSON.parse((await fill("add", "--all", "--type", "images", "--json")).stdout);
  const watched = await fill("watch", id, "--json");
  expect(watched.code, watched.stderr).toBe(0);
  const changes = watched.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  expect(changes.at(-1)).toMatchObject({ id, state: "done", query: { type: "images" } });
  expect(changes.at(-1).parts.done).toBeGreaterThanOrEqual(2);
});

test("bytes that are wrong are told with exit code 6, and why", async () => {
  const { id } = await image({ flipBitAt: 3 });
  const failed = await fill("add", id, "--wait");
  expect(failed.code).toBe(6);
  expect(failed.stderr).toMatch(/^cistern: image-\d+: .*sha256/m);
});

test("what cannot be meant is refused before anything is asked", async () => {
  expect(await fill("add")).toMatchObject({ code: 2 });
  expect(await fill("add", "x", "--type", "images")).toMatchObject({ code: 2 });
  expect(await fill("add", "x", "--priority", "10")).toMatchObject({ code: 2 });
  expect(await fill("add", "x", "--pin-for", "soon")).toMatchObject({ code: 2 });
  expect(await fill("show", "00000000-0000-4000-8000-000000000000")).toMatchObject({ code: 3 });
  const unknown = await fill("add", origin.url("/nobody.img"));
  expect(unknown).toMatchObject({ code: 3 });
  expect(unknown.stderr).toContain("register it first");
});
