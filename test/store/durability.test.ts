import { execFile } from "node:child_process";
import { readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { requireProgram } from "../support/programs.ts";
import { temporaryDirectory } from "./temporary-directory.ts";

const ADMITTER = new URL("./admit-once.ts", import.meta.url).pathname;

test.skipIf(!requireProgram("strace"))(
  "the bytes are synced before the rename, every directory above them after it (I2)",
  { timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory();
    const trace = join(directory.path, "trace");
    const calls = "trace=rename,renameat,renameat2,fsync,fdatasync";
    const strace = ["-f", "-y", "-o", trace, "-e", calls];
    const { stdout } = await promisify(execFile)("strace", [...strace, process.execPath, ADMITTER, directory.path]);
    const object = stdout.trim();
    const lines = (await readFile(trace, "utf8")).split("\n");
    const moved = lines.findIndex((line) => line.includes("rename") && line.includes(`"${object}"`));
    const [, from = ""] = /rename\w*\((?:AT_FDCWD\S*, )?"([^"]+)"/.exec(lines[moved] ?? "") ?? [];
    const synced = (call: string, path: string) =>
      lines.findIndex((line) => line.includes(`${call}(`) && line.includes(`<${path}>`));
    expect(from).toMatch(/\.spool$/);
    expect(synced("fdatasync", from)).toBeGreaterThanOrEqual(0);
    expect(synced("fdatasync", from)).toBeLessThan(moved);
    for (let path = dirname(object); path !== directory.path; path = dirname(path)) {
      const after = lines.findLastIndex((line) => line.includes("fsync(") && line.includes(`<${path}>`));
      expect(after, path).toBeGreaterThan(moved);
    }
  },
);
