import { execFile } from "node:child_process";
import { mkdtemp, open, rm, rmdir } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);

export interface SmallDisk extends AsyncDisposable {
  readonly path: string;
  /** Fills the disk with a file that is not ours. */
  fill(): Promise<void>;
  /** Takes that file away again. */
  relieve(): Promise<void>;
}

/** A file system of its own, in memory, with so many bytes. */
export async function smallDisk(bytes: number): Promise<SmallDisk> {
  const path = await mkdtemp(join(tmpdir(), "cistern-disk-"));
  await run("mount", ["-t", "tmpfs", "-o", `size=${bytes},mode=0700`, "tmpfs", path]);
  const filler = join(path, "filler");
  return {
    path,
    fill: () => fillUp(filler),
    relieve: () => rm(filler),
    [Symbol.asyncDispose]: async () => {
      await run("umount", ["-l", path]);
      await rmdir(path);
    },
  };
}

/** Whether this user may mount; with CI=true root must be able to. */
export async function mayMount(): Promise<boolean> {
  try {
    await (await smallDisk(65_536))[Symbol.asyncDispose]();
    return true;
  } catch (error) {
    if (process.env.CI === "true" && process.getuid?.() === 0) throw error;
    return false;
  }
}

async function fillUp(path: string): Promise<void> {
  await using file = await open(path, "w");
  for (let size = 1 << 20; size >= 1; size = Math.floor(size / 2)) {
    try {
      for (;;) await file.write(Buffer.alloc(size));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    }
  }
}
