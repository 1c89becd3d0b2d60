import { randomBytes } from "node:crypto";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { startProgram } from "../support/child-program.ts";
import { type CisternOptions, type CisternProcess, startCistern } from "../support/cistern-process.ts";
import { type Content, digestOf, type FaultOrigin, startFaultOrigin } from "../support/fault-origin.ts";
import { ask, type SeenAnswer } from "../support/http-client.ts";
import { registerImage } from "../support/register-image.ts";
import { mayMount, smallDisk } from "../support/small-disk.ts";

const MIB = 1024 * 1024;
const IMAGE = { size: 48 * MIB, seed: "an image" };
const canMount = await mayMount();

let dataDir: string;
let origin: FaultOrigin;

beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), "cistern-e2e-"));
  origin = await startFaultOrigin();
  return async () => {
    await origin[Symbol.asyncDispose]();
    await rm(dataDir, { recursive: true, force: true });
  };
});

function start(env: CisternOptions["env"] = {}, directory = dataDir): Promise<CisternProcess> {
  return startCistern({ dataDir: directory, env });
}

async function register(cistern: CisternProcess, path: string, content: Content): Promise<string> {
  const { url } = await registerImage(cistern, `image ${path}`, { url: origin.url(path), sha256: digestOf(content) });
  return new URL(url).pathname;
}

function read(
  cistern: CisternProcess,
  path: string,
  onData?: (chunk: Buffer, soFar: number) => boolean,
): Promise<SeenAnswer> {
  const headers = { "X-Auth-Token": cistern.adminToken };
  return ask(`${cistern.url}${path}`, onData === undefined ? { headers } : { headers, onData });
}

async function files(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => entry.name);
}

/** A behaviour that stops at `at` until the promise of the whole test settles: never. */
const heldAt = (at: number) => ({ hold: { at, until: new Promise(() => undefined) } });

describe("kill -9 in the middle of a fill", () => {
  test("leaves nothing to be seen; the next start resumes with a Range, and the bytes are right", async () => {
    origin.serve("/a.img", IMAGE, heldAt(40 * MIB), {});
    const first = await start();
    const path = await register(first, "/a.img", IMAGE);
    const reading = read(first, path);
    // The spool has a resume point at every 8 MiB; wait until the last one before the hold is written.
    await expect.poll(() => origin.bytesSent("/a.img"), { timeout: 20_000 }).toBeGreaterThanOrEqual(40 * MIB);
    await expect.poll(() => lastCheckpoint(dataDir), { timeout: 20_000 }).toBeGreaterThanOrEqual(32 * MIB);
    await first.kill("SIGKILL");
    const cut = await reading;
    expect(cut.complete).toBe(false);
    expect(await files(join(dataDir, "store"))).toEqual([]);

    await using second = await start();
    const answer = await read(second, path);
    expect([answer.status, answer.complete, digestOf(answer.body)]).toEqual([200, true, digestOf(IMAGE)]);
    const [, resumed] = origin.requests("/a.img");
    expect(resumed?.status).toBe(206);
    expect(Number(/bytes=(\d+)-/.exec(resumed?.range ?? "")?.[1])).toBeGreaterThanOrEqual(32 * MIB);
    expect(await files(join(dataDir, "spool"))).toEqual([]);
  });

  test("twenty kills at random moments: what a restart serves is always whole and right", async () => {
    const content = { size: 12 * MIB, seed: "killed often" };
    origin.serve("/b.img", content, { rate: 60 * MIB });
    const before = await start();
    const path = await register(before, "/b.img", content);
    await before.kill("SIGKILL");
    for (let round = 0; round < 20; round += 1) {
      const cistern = await start();
      const reading = read(cistern, path).catch(() => undefined);
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 250));
      await cistern.kill("SIGKILL");
      const answer = await reading;
      if (answer?.complete === true && answer.status === 200) expect(digestOf(answer.body)).toBe(digestOf(content));
      for (const name of await files(join(dataDir, "store"))) expect(name).toMatch(/^\d+$/);
    }
    await using last = await start();
    const answer = await read(last, path);
    expect([answer.complete, digestOf(answer.body)]).toEqual([true, digestOf(content)]);
  }, 300_000);
});

test("a second process on the same data directory is refused, and told why", async () => {
  await using first = await start();
  const main = new URL("../../src/main.ts", import.meta.url).pathname;
  const env = { ...process.env, CISTERN_DATA_DIR: dataDir, CISTERN_LISTEN: "127.0.0.1:0" };
  await using second = await startProgram(process.execPath, [main], { env });
  const { code } = await second.exited;
  expect(code).toBe(78);
  expect(second.output()).toMatch(/another Cistern process uses/);
  expect((await ask(`${first.url}/readyz`)).status).toBe(200);
});

describe("SIGTERM", () => {
  test("lets a running response end, takes no new one, and ends with 0", async () => {
    origin.serve("/a.img", IMAGE, { rate: 24 * MIB });
    const cistern = await start({ CISTERN_DRAIN_TIME: "PT20S" });
    const path = await register(cistern, "/a.img", IMAGE);
    let begun = false;
    const reading = read(cistern, path, () => {
      begun = true;
      return true;
    });
    await expect.poll(() => begun).toBe(true);
    const ending = cistern.kill("SIGTERM");
    await expect
      .poll(() =>
        ask(`${cistern.url}/livez`).then(
          () => "served",
          () => "refused",
        ),
      )
      .toBe("refused");
    const answer = await reading;
    expect([answer.complete, digestOf(answer.body)]).toEqual([true, digestOf(IMAGE)]);
    expect(await ending).toEqual({ code: 0, signal: null });
  });

  test("resets what is still running after the drain time, and leaves the fill resumable", async () => {
    origin.serve("/a.img", IMAGE, heldAt(20 * MIB), {});
    const first = await start({ CISTERN_DRAIN_TIME: "PT1S" });
    const path = await register(first, "/a.img", IMAGE);
    const reading = read(first, path);
    await expect.poll(() => origin.bytesSent("/a.img")).toBeGreaterThanOrEqual(20 * MIB);
    expect(await first.kill("SIGTERM")).toEqual({ code: 0, signal: null });
    const cut = await reading;
    expect([cut.complete, cut.broken]).toEqual([false, "ECONNRESET"]);

    await using second = await start();
    const answer = await read(second, path);
    expect(digestOf(answer.body)).toBe(digestOf(IMAGE));
    const [, resumed] = origin.requests("/a.img");
    expect(Number(/bytes=(\d+)-/.exec(resumed?.range ?? "")?.[1])).toBeGreaterThan(19 * MIB);
  });
});

describe.skipIf(!canMount)("a full disk", () => {
  test("the response goes through verified, nothing half-written stays, and the next one works when there is room", async () => {
    await using disk = await smallDisk(256 * MIB);
    const directory = join(disk.path, "data");
    await using cistern = await start({}, directory);
    const large = { size: 400 * MIB, seed: "more than the disk" };
    const small = randomBytes(5 * MIB);
    origin.serve("/large", large);
    origin.serve("/small", small);
    const largePath = await register(cistern, "/large", large);
    const smallPath = await register(cistern, "/small", small);
    const answer = await read(cistern, largePath);
    expect([answer.status, answer.complete, digestOf(answer.body)]).toEqual([200, true, digestOf(large)]);
    expect(origin.bytesSent("/large")).toBe(large.size);
    await expect.poll(() => files(join(directory, "spool"))).toEqual([]);
    expect(await files(join(directory, "store"))).toEqual([]);

    await disk.fill();
    const whileFull = await read(cistern, smallPath);
    expect([whileFull.complete, whileFull.body.equals(small)]).toEqual([true, true]);
    await disk.relieve();
    for (const outcome of ["Cistern; fwd=miss; detail=fill", "Cistern; hit"]) {
      const again = await read(cistern, smallPath);
      expect([again.complete, again.body.equals(small), again.headers["cache-status"]]).toEqual([true, true, outcome]);
    }
  }, 300_000);
});

/** The furthest resume point in the spool's journals. */
async function lastCheckpoint(directory: string): Promise<number> {
  const folder = join(directory, "spool");
  let furthest = 0;
  for (const name of await readdir(folder)) {
    if (!name.endsWith(".journal")) continue;
    const text = await readFile(join(folder, name), "utf8");
    for (const [, offset] of text.matchAll(/"offset":(\d+)/g)) furthest = Math.max(furthest, Number(offset));
  }
  return furthest;
}
