import { createInterface } from "node:readline/promises";
import type { Environment } from "../config/env.ts";

/** The process as a command sees it. */
export interface Terminal {
  readonly environment: Environment;
  /** Effective user id; undefined where there is none. */
  readonly user: number | undefined;
  /** Writes a line to stdout: results. */
  print(text: string): void;
  /** Writes bytes to stdout; resolves when they are taken. */
  pipe(chunk: Uint8Array): Promise<void>;
  /** Writes a line to stderr: notes, progress, errors. */
  note(text: string): void;
  /** Rewrites the last line of stderr; does nothing when stderr is no terminal. */
  redraw(text: string): void;
  /** Columns of stderr; undefined: no terminal. */
  readonly columns: number | undefined;
  /** Sets the exit code of the process, which ends by itself when nothing is left to do. */
  exit(code: number): void;
  /** A person sits at it: stdin and stderr are a terminal. */
  readonly interactive: boolean;
  /** Asks on stderr, and answers what was typed; rejects when the signal aborts. */
  ask(question: string, signal: AbortSignal): Promise<string>;
  /** From the first call on, Ctrl-C and SIGTERM abort this signal instead of ending the process. */
  interruption(): AbortSignal;
}

export function processTerminal(): Terminal {
  let interruption: AbortSignal | undefined;
  return {
    environment: process.env,
    user: process.geteuid?.(),
    print: (text) => void process.stdout.write(`${text}\n`),
    pipe(chunk) {
      const { promise, resolve, reject } = Promise.withResolvers<void>();
      process.stdout.write(chunk, (error) => (error ? reject(error) : resolve()));
      return promise;
    },
    note: (text) => void process.stderr.write(`${text}\n`),
    redraw(text) {
      if (process.stderr.isTTY) process.stderr.write(`\r\u001b[K${text}`);
    },
    get columns() {
      return process.stderr.isTTY ? process.stderr.columns : undefined;
    },
    get interactive() {
      return process.stdin.isTTY === true && process.stderr.isTTY === true;
    },
    async ask(question, signal) {
      const lines = createInterface({ input: process.stdin, output: process.stderr });
      try {
        return await lines.question(question, { signal });
      } finally {
        lines.close();
      }
    },
    exit(code) {
      process.exitCode = code;
    },
    interruption() {
      if (interruption !== undefined) return interruption;
      const controller = new AbortController();
      process.once("SIGINT", () => controller.abort());
      process.once("SIGTERM", () => controller.abort());
      interruption = controller.signal;
      return interruption;
    },
  };
}
