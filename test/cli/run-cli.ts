import { spawn } from "node:child_process";
import { once } from "node:events";
import { buffer } from "node:stream/consumers";
import { fileURLToPath } from "node:url";

export const LAUNCHER = fileURLToPath(new URL("../../src/cli/cistern", import.meta.url));

export interface CliOptions {
  /** The whole environment besides PATH and HOME. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Another way to start it: a link to the launcher. */
  readonly launcher?: string;
  /** Ends it from outside, as Ctrl-C does. */
  readonly interrupt?: Promise<void>;
}

export interface CliResult {
  readonly code: number | null;
  readonly stdout: string;
  readonly bytes: Buffer;
  readonly stderr: string;
}

/** Runs the real command line in a process of its own, and waits for its end. */
export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = spawn(options.launcher ?? LAUNCHER, args, {
    cwd: options.cwd,
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: 60_000,
  });
  const ended = once(child, "close");
  void options.interrupt?.then(() => child.kill("SIGINT"));
  const [stdout, stderr] = await Promise.all([buffer(child.stdout), buffer(child.stderr), ended]);
  return { code: child.exitCode, stdout: stdout.toString(), bytes: stdout, stderr: stderr.toString() };
}
