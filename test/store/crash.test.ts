import { spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { describe, expect, test } from "vitest";
import { openFilesystemStore } from "../../src/store/filesystem-store.ts";
import { openSpool } from "../../src/store/spool/open-spool.ts";
import { digest, readAll } from "../conformance/spool.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const WRITER = new URL("./crashing-writer.ts", import.meta.url).pathname;
const KILLS = 5;

/** Runs the writer, kills it with -9 once it has told `lines` more facts, and answers all that it told. */
async function runAndKill(directory: string, task: string, lines: number): Promise<string[]> {
  const writer = spawn(process.execPath, [WRITER, directory, task], { stdio: ["ignore", "pipe", "inherit"] });
  const told: string[] = [];
  for await (const line of createInterface({ input: writer.stdout })) {
    told.push(line);
    if (told.length === lines) writer.kill("SIGKILL");
  }
  if (told.length < lines) throw new Error(`the writer ended by itself after ${told.length} lines`);
  return told;
}

describe("kill -9 at any moment", () => {
  test("leaves a spool that goes on from a checkpoint that was promised", { timeout: 60_000 }, async () => {
    await using directory = await temporaryDirectory();
    let promised = 0;
    for (let kill = 1; kill <= KILLS; kill += 1) {
      const told = await runAndKill(directory.path, "spool", 2 + kill);
      const [first = "", ...others] = told;
      expect(Number(/^start (\d+)$/.exec(first)?.[1])).toBeGreaterThanOrEqual(promised);
      promised = Number(/^checkpoint (\d+)$/.exec(others.at(-1) ?? "")?.[1]);
      expect(promised).toBeGreaterThan(0);
    }
    const spool = await openSpool(join(directory.path, "spool"), 1e9);
    const remains = await spool.reopen("key");
    if (remains === undefined) throw new Error("nothing was left");
    await using file = remains.file;
    expect(remains.checkpoint.offset).toBeGreaterThanOrEqual(promised);
    expect(file.written).toBe(remains.checkpoint.offset);
    expect(digest(await readAll(file))).toBe(remains.checkpoint.sha256);
  });

  test("leaves nothing in the store that is not whole, and everything that was promised (I2)", {
    timeout: 60_000,
  }, async () => {
    await using directory = await temporaryDirectory();
    const promised = new Set<string>();
    for (let kill = 1; kill <= KILLS; kill += 1) {
      for (const line of await runAndKill(directory.path, "admit", 3 * kill)) {
        promised.add(/^admitted (\w+)$/.exec(line)?.[1] ?? line);
      }
    }
    const store = await openFilesystemStore(join(directory.path, "store"));
    const found = new Set<string>();
    for await (const { sha256, fence } of store.list(new AbortController().signal)) {
      found.add(sha256);
      const path = join(directory.path, "store", "sha256", sha256.slice(0, 2), sha256.slice(2, 4), sha256, `${fence}`);
      expect(
        createHash("sha256")
          .update(await readFile(path))
          .digest("hex"),
      ).toBe(sha256);
    }
    expect([...promised].filter((hex) => !found.has(hex))).toEqual([]);
    const spool = await openSpool(join(directory.path, "spool"), 1e9);
    await spool.sweep(new Date());
    expect(await readdir(join(directory.path, "spool"))).toEqual([]);
  });
});
