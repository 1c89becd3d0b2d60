import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answersOk, type ChildProgram, type Exit, startProgram, untilReady } from "./child-program.ts";
import { freePort } from "./free-port.ts";

const MAIN = fileURLToPath(new URL("../../src/main.ts", import.meta.url));

export interface CisternOptions {
  readonly dataDir: string;
  /** Settings over the defaults of a test: an ephemeral port, and origins on 127.0.0.0/8. */
  readonly env?: Readonly<Record<string, string>>;
  /** For `node` itself: a preload, a profiler. */
  readonly nodeArguments?: readonly string[];
  readonly readyMs?: number;
}

/** A running Cistern: the real process, over its real data directory. */
export interface CisternProcess extends AsyncDisposable {
  /** Without a slash at the end. */
  readonly url: string;
  readonly adminToken: string;
  readonly dataDir: string;
  readonly pid: number;
  readonly exited: Promise<Exit>;
  /** Everything it wrote so far. */
  output(): string;
  /** Sends the signal and waits for the end of the process. */
  kill(signal: NodeJS.Signals): Promise<Exit>;
}

/** Starts the process and waits for `/readyz`. Rejects with its output when it ends or takes too long. */
export async function startCistern(options: CisternOptions): Promise<CisternProcess> {
  const listen = options.env?.CISTERN_LISTEN ?? `127.0.0.1:${await freePort()}`;
  // As `npm start` has it.
  const flags = ["--max-semi-space-size=4", ...(options.nodeArguments ?? [])];
  const program = await startProgram(process.execPath, [...flags, MAIN], {
    env: {
      PATH: process.env.PATH,
      HOME: process.env.HOME,
      UV_THREADPOOL_SIZE: "16",
      CISTERN_ORIGIN_ALLOW: "127.0.0.0/8",
      ...options.env,
      CISTERN_LISTEN: listen,
      CISTERN_DATA_DIR: options.dataDir,
    },
  });
  const url = `http://${listen}`;
  try {
    await untilReady(program, () => answersOk(`${url}/readyz`), options.readyMs ?? 30_000);
    const adminToken =
      options.env?.CISTERN_ADMIN_TOKEN ?? (await readFile(join(options.dataDir, "admin-token"), "utf8")).trim();
    return described(program, url, adminToken, options.dataDir);
  } catch (error) {
    await program.kill("SIGKILL");
    throw error;
  }
}

function described(program: ChildProgram, url: string, adminToken: string, dataDir: string): CisternProcess {
  return {
    url,
    adminToken,
    dataDir,
    pid: program.pid,
    exited: program.exited,
    output: () => program.output(),
    kill: (signal) => program.kill(signal),
    [Symbol.asyncDispose]: () => program[Symbol.asyncDispose](),
  };
}
