import { readdir, readFile } from "node:fs/promises";

// What Linux reports in /proc is in ticks of 1/100 s (USER_HZ), whatever the kernel's own tick.
const TICKS_PER_SECOND = 100;

interface ProcessLine {
  readonly pid: number;
  readonly parent: number;
  readonly cpuTicks: number;
}

/** CPU seconds, user and system, that the process and its living descendants have used. */
export async function cpuSeconds(root: number): Promise<number> {
  const tree = await processTree(root);
  return tree.reduce((sum, line) => sum + line.cpuTicks, 0) / TICKS_PER_SECOND;
}

export interface Memory {
  /** Bytes resident; pages that processes of the tree share count in each. */
  readonly rss: number;
  /** Bytes resident, shared pages divided among those who share them. */
  readonly pss: number;
  /** Bytes that no file backs. */
  readonly anonymous: number;
}

/** Memory of the process and its living descendants. */
export async function memoryOf(root: number): Promise<Memory> {
  const rollups = await Promise.all((await processTree(root)).map(({ pid }) => smapsRollup(pid)));
  return rollups.reduce((sum, one) => ({
    rss: sum.rss + one.rss,
    pss: sum.pss + one.pss,
    anonymous: sum.anonymous + one.anonymous,
  }));
}

async function processTree(root: number): Promise<readonly ProcessLine[]> {
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name)).map(Number);
  const lines = (await Promise.all(pids.map(processLine))).filter((line) => line !== undefined);
  const found = lines.filter((line) => line.pid === root);
  for (const ancestor of found) found.push(...lines.filter((line) => line.parent === ancestor.pid));
  return found;
}

/** undefined: it ended meanwhile. */
async function processLine(pid: number): Promise<ProcessLine | undefined> {
  const text = await readProc(`/proc/${pid}/stat`);
  if (text === undefined) return undefined;
  // The name stands in brackets and may hold anything, blanks and brackets included.
  const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
  return { pid, parent: Number(fields[1]), cpuTicks: Number(fields[11]) + Number(fields[12]) };
}

async function smapsRollup(pid: number): Promise<Memory> {
  const text = (await readProc(`/proc/${pid}/smaps_rollup`)) ?? "";
  const bytes = (name: string) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(text)?.[1] ?? 0) * 1024;
  return { rss: bytes("Rss"), pss: bytes("Pss"), anonymous: bytes("Anonymous") };
}

async function readProc(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    // ENOENT, ESRCH: the process ended between the listing and the reading.
    if (error instanceof Error && "code" in error && (error.code === "ENOENT" || error.code === "ESRCH"))
      return undefined;
    throw error;
  }
}
