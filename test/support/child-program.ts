import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as delay } from "node:timers/promises";

export interface Exit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program that runs beside the test, and ends with it. */
export interface ChildProgram extends AsyncDisposable {
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** What it wrote so far to standard output and standard error, in the order of arrival. */
  output(): string;
  /** Resolves with the first line of standard output. */
  firstLine(): Promise<string>;
  /** Sends the signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<Exit>;
}

export interface ProgramOptions {
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  /** As whom it runs; only root may choose. */
  readonly user?: { readonly uid: number; readonly gid: number };
  /** Disposal sends SIGTERM, and SIGKILL after so many milliseconds. */
  readonly graceMs?: number;
}

const OUTPUT_LIMIT = 1 << 20;

/** Starts a program. Its standard input stays open until it is disposed of; rejects when it cannot be started. */
export async function startProgram(
  command: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<ChildProgram> {
  const child = spawn(command, args, {
    env: options.env,
    cwd: options.cwd,
    stdio: ["pipe", "pipe", "pipe"],
    ...options.user,
  });
  let output = "";
  let stdout = "";
  const keep = (text: string) => {
    output = (output + text).slice(-OUTPUT_LIMIT);
  };
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    if (!stdout.includes("\n")) stdout += text;
    keep(text);
  });
  child.stderr.setEncoding("utf8").on("data", keep);
  const exited = new Promise<Exit>((resolve) => {
    // Whatever ends the test, nothing that it started goes on.
    const endNow = () => child.kill("SIGKILL");
    process.prependOnceListener("exit", endNow);
    child.once("exit", (code, signal) => {
      process.off("exit", endNow);
      resolve({ code, signal });
    });
  });
  await once(child, "spawn");
  const pid = child.pid;
  if (pid === undefined) throw new Error(`${command} has no pid`);
  const kill = async (signal: NodeJS.Signals): Promise<Exit> => {
    child.kill(signal);
    return await exited;
  };
  return {
    pid,
    exited,
    output: () => output,
    firstLine: async () => {
      const ended = exited.then(() => "ended" as const);
      while (!stdout.includes("\n")) {
        if ((await Promise.race([once(child.stdout, "data"), ended])) === "ended") {
          throw new Error(`${command} ended before its first line:\n${output}`);
        }
      }
      return stdout.slice(0, stdout.indexOf("\n"));
    },
    kill,
    [Symbol.asyncDispose]: async () => {
      child.stdin.destroy();
      const hurry = setTimeout(() => child.kill("SIGKILL"), options.graceMs ?? 10_000);
      await kill("SIGTERM");
      clearTimeout(hurry);
    },
  };
}

/** Asks `ready` until it says yes. Rejects with the program's output when it ends first or the deadline passes. */
export async function untilReady(
  program: ChildProgram,
  ready: () => Promise<boolean>,
  deadlineMs: number,
): Promise<void> {
  const ended = program.exited.then((exit) => {
    throw new Error(`ended before it was ready (${exit.code ?? exit.signal}):\n${program.output()}`);
  });
  const asked = async () => {
    const deadline = performance.now() + deadlineMs;
    while (!(await ready())) {
      if (performance.now() > deadline) throw new Error(`not ready after ${deadlineMs} ms:\n${program.output()}`);
      await delay(25);
    }
  };
  await Promise.race([asked(), ended]);
}

/** Whether a GET of the URL is answered with 200 now. */
export async function answersOk(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2_000) });
    await response.arrayBuffer();
    return response.status === 200;
  } catch (error) {
    // Refused or cut: not there yet. Anything else is a mistake of the test.
    if (error instanceof TypeError || (error instanceof Error && error.name === "TimeoutError")) return false;
    throw error;
  }
}
