import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { cp, readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { openCatalog } from "../../../src/catalog/open-catalog.ts";
import type { ArtifactId } from "../../../src/domain/artifact.ts";
import { temporaryDirectory } from "../../store/temporary-directory.ts";
import { requireProgram } from "../../support/programs.ts";
import { mayMount, smallDisk } from "../../support/small-disk.ts";
import { catalogDirectories } from "../catalog-directory.ts";
import { newArtifact } from "../records.ts";

const COMMITTER = new URL("./committing-catalog.ts", import.meta.url).pathname;
const LEASING = new URL("./leasing-catalog.ts", import.meta.url).pathname;
const emptyCatalog = catalogDirectories();
const MIB = 1024 * 1024;

test.skipIf(!requireProgram("strace"))(
  "every commit is synced before it is acknowledged",
  { timeout: 90_000 },
  async () => {
    await using directory = await emptyCatalog();
    const trace = join(directory.beside, "trace");
    const strace = ["-f", "-y", "-o", trace, "-e", "trace=fsync,fdatasync,write"];
    const committer = [process.execPath, COMMITTER, directory.path, "50"];
    await promisify(execFile)("strace", [...strace, ...committer]);
    const lines = (await readFile(trace, "utf8")).split("\n");
    let synced = 0;
    const syncsBefore: number[] = [];
    for (const line of lines) {
      // The log is what makes a commit durable; the call may be cut in two by another thread's.
      if (/(fsync|fdatasync)\(\d+<[^>]*\/pg_wal\/[0-9A-F]+>/.test(line)) synced += 1;
      if (/write\(\d.*"opened/.test(line)) synced = 0;
      if (/write\(\d.*"committed /.test(line)) {
        syncsBefore.push(synced);
        synced = 0;
      }
    }
    expect(syncsBefore).toHaveLength(50);
    expect(Math.min(...syncsBefore)).toBeGreaterThanOrEqual(1);
    // Nothing to sync twice: more would be a loop that someone has to explain.
    expect(syncsBefore.reduce((sum, count) => sum + count)).toBeLessThanOrEqual(60);
    expect(lines.filter((line) => /f(data)?sync.* = -1/.test(line))).toEqual([]);
  },
);

describe("kill -9", () => {
  /** Kills the committer once it was told `lines` more lines; answers the ids that it acknowledged. */
  async function commitAndKill(directory: string, lines: number): Promise<ArtifactId[]> {
    const committer = spawn(process.execPath, [COMMITTER, directory], { stdio: ["ignore", "pipe", "inherit"] });
    const told: string[] = [];
    for await (const line of createInterface({ input: committer.stdout })) {
      told.push(line);
      if (told.length === lines) committer.kill("SIGKILL");
    }
    if (told.length < lines) throw new Error(`the committer ended by itself after ${told.length} lines`);
    return told.slice(1).map((line) => line.replace("committed ", "") as ArtifactId);
  }

  test("loses none of the commits that were acknowledged", { timeout: 90_000 }, async () => {
    await using directory = await emptyCatalog();
    const { path } = directory;
    const acknowledged: ArtifactId[] = [];
    for (const lines of [2, 100, 250]) acknowledged.push(...(await commitAndKill(path, lines)));
    await using catalog = await openCatalog({ directory: path });
    const missing: ArtifactId[] = [];
    for (const id of acknowledged) if ((await catalog.artifacts.find(id)) === undefined) missing.push(id);
    expect(acknowledged.length).toBeGreaterThanOrEqual(349);
    expect(missing).toEqual([]);
  });

  test("makes no fence be given out twice, though taking a lease waits for no sync", { timeout: 90_000 }, async () => {
    await using directory = await emptyCatalog();
    const given: number[] = [];
    for (const count of [1, 40, 200]) {
      const leasing = spawn(process.execPath, [LEASING, directory.path], { stdio: ["ignore", "pipe", "inherit"] });
      let told = 0;
      for await (const line of createInterface({ input: leasing.stdout })) {
        given.push(Number(line));
        told += 1;
        if (told === count) leasing.kill("SIGKILL");
      }
    }
    expect(given.length).toBeGreaterThan(200);
    expect(given.every((fence, index) => index === 0 || fence > (given[index - 1] ?? 0))).toBe(true);
    await using catalog = await openCatalog({ directory: directory.path });
    await catalog.leases.releaseAll("embedded");
    expect(await catalog.leases.take("key 0", "embedded", 60_000)).toMatchObject({ kind: "taken" });
    expect(await catalog.ledger.nextFence()).toBeGreaterThan(Math.max(...given));
  });

  test("while the catalog is being made leaves nothing that the next start takes for one", {
    timeout: 90_000,
  }, async () => {
    await using directory = await temporaryDirectory();
    const path = join(directory.path, "catalog");
    const committer = spawn(process.execPath, [COMMITTER, path], { stdio: "ignore" });
    const ended = once(committer, "exit");
    for (let waited = 0; !existsSync(join(`${path}.making`, "base")); waited += 5) {
      if (waited > 30_000) throw new Error("the catalog is not being made");
      await delay(5);
    }
    committer.kill("SIGKILL");
    await ended;
    expect(existsSync(path)).toBe(false);
    await using catalog = await openCatalog({ directory: path });
    await catalog.artifacts.create(newArtifact());
    expect(existsSync(`${path}.making`)).toBe(false);
    expect((await stat(path)).mode & 0o777).toBe(0o700);
  });
});

test("what was committed is there after a clean close", { timeout: 60_000 }, async () => {
  await using directory = await emptyCatalog();
  const { path } = directory;
  const artifact = newArtifact();
  {
    await using catalog = await openCatalog({ directory: path });
    await catalog.artifacts.create(artifact);
  }
  await using catalog = await openCatalog({ directory: path });
  expect(await catalog.artifacts.find(artifact.id)).toMatchObject(artifact);
});

describe.skipIf(!(await mayMount()))("on a full disk (I9)", () => {
  test("the catalog goes on for a while, refuses then, and works when there is room again", {
    timeout: 120_000,
  }, async () => {
    await using disk = await smallDisk(100 * MIB);
    await using empty = await emptyCatalog();
    const path = join(disk.path, "catalog");
    await cp(empty.path, path, { recursive: true });
    await using catalog = await openCatalog({ directory: path });
    const kept = newArtifact();
    await catalog.artifacts.create(kept);
    const takeAndRelease = async (key: string) => {
      const answer = await catalog.leases.take(key, "holder", 60_000);
      if (answer.kind === "taken") await catalog.leases.release(answer.lease);
    };
    await takeAndRelease("before");
    await disk.fill();
    // What finds room in the pages that are there needs the log alone, and of that there is a reserve.
    for (let n = 0; n < 20; n += 1) await takeAndRelease(`full ${n}`);
    const big = () => newArtifact({ description: "x".repeat(4000) });
    const outcomes = new Set<string>();
    for (let n = 0; n < 300; n += 1) {
      outcomes.add(
        await catalog.artifacts.create(big()).then(
          () => "created",
          (error: { code: string }) => error.code,
        ),
      );
    }
    expect(outcomes).toContain("catalog-unavailable");
    expect(catalog.lost.aborted).toBe(false);
    expect(await catalog.artifacts.find(kept.id)).toMatchObject(kept);
    await disk.relieve();
    const after = big();
    await catalog.artifacts.create(after);
    await catalog.housekeep(new AbortController().signal);
    expect(await catalog.artifacts.find(after.id)).toMatchObject(after);
  });
});

test("no compiled code of the catalog is freed, for V8 now and then dies of it", { timeout: 90_000 }, async () => {
  await using directory = await emptyCatalog();
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ["--trace-wasm-code-gc", COMMITTER, directory.path, "200"],
    { maxBuffer: 16 * MIB },
  );
  // Before it is opened, Node's own reader of TypeScript is at work.
  const [, open = ""] = stdout.split("opened\n");
  expect(open.split("\n").filter((line) => line.startsWith("committed"))).toHaveLength(200);
  expect(open).not.toContain("[wasm-gc]");
});
