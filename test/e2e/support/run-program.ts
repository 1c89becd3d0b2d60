import { spawn } from "node:child_process";

export interface ProgramEnd {
  readonly code: number | null;
  /** Standard output and standard error. */
  readonly output: string;
}

export interface RunOptions {
  readonly cwd?: string;
  /** SIGKILL when it fires: a client that dies in the middle. */
  readonly interrupt?: AbortSignal;
}

/** Runs a program to its end; ten minutes are the most it gets. */
export async function runProgram(
  command: string,
  args: readonly string[],
  options: RunOptions = {},
): Promise<ProgramEnd> {
  const child = spawn(command, args, { cwd: options.cwd, stdio: ["ignore", "pipe", "pipe"], timeout: 600_000 });
  options.interrupt?.addEventListener("abort", () => child.kill("SIGKILL"));
  let output = "";
  const keep = (text: string) => {
    output += text;
  };
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  return await new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, output }));
  });
}
