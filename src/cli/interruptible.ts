import { EXIT, Failure } from "./failure.ts";
import type { Terminal } from "./terminal.ts";
import type { WorkProgress } from "./work-progress.ts";

/** Runs long work that Ctrl-C ends, which is no failure of it. @param hint what to do about the rest */
export async function interruptible<T>(
  terminal: Terminal,
  progress: WorkProgress,
  hint: string,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const signal = terminal.interruption();
  try {
    return await work(signal);
  } catch (cause) {
    if (!signal.aborted) throw cause;
    throw new Failure("interrupted", { exit: EXIT.interrupted, code: "interrupted", hint, cause });
  } finally {
    progress.clear();
  }
}
