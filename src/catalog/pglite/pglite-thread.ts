import { setFlagsFromString } from "node:v8";
import { Worker } from "node:worker_threads";
import { CisternError } from "../../domain/errors.ts";
import type { FromWorker, ToWorker, WorkerInput } from "./messages.ts";
import { WorkerSocket } from "./worker-socket.ts";

/** The thread of the embedded Postgres as the main thread sees it: a queue of answers that are awaited, in order. */
export class PgliteThread {
  readonly #worker: Worker;
  readonly #lost = new AbortController();
  readonly #awaited: ((answer: Uint8Array) => void)[] = [];
  readonly #sockets = new Set<WorkerSocket>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  #closing = false;

  constructor(directory: string, entry: URL) {
    // What V8 frees of compiled WebAssembly it now and then finds missing in its books, and ends the process
    // (nodejs/node#64500). Kept, it costs some 30 MiB.
    setFlagsFromString("--no-wasm-code-gc");
    const input: WorkerInput = { directory };
    // Flags of the parent (a test runner's, a debugger's) are not the thread's.
    this.#worker = new Worker(entry, {
      workerData: input,
      name: "catalog",
      execArgv: [],
    });
    this.#ready.promise.catch(() => undefined); // told to whoever waits; nobody may
    this.#worker.on("message", (message: FromWorker) => this.#hear(message));
    this.#worker.on("error", (error) => this.#lose(error));
    this.#worker.on("exit", (code) => {
      if (!this.#closing) this.#lose(new Error(`the catalog's thread ended with code ${code}`));
      this.#exited.resolve();
    });
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Resolves when it answers; `catalog-unavailable` when it does not within `milliseconds`. */
  async ready(milliseconds: number): Promise<void> {
    const late = setTimeout(() => this.#lose(new Error("the catalog's thread did not start in time")), milliseconds);
    try {
      await this.#ready.promise;
    } finally {
      clearTimeout(late);
    }
  }

  /** @param refused true: the conversation ends before it begins */
  connect(refused: boolean): WorkerSocket {
    const socket = new WorkerSocket((message, answered) => {
      this.#awaited.push(answered);
      this.#tell(message);
    });
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    // The driver listens for errors only once it has the socket.
    if (refused || this.#lost.signal.aborted) setImmediate(() => socket.destroy(unavailable(this.#lost.signal.reason)));
    return socket;
  }

  /** Ends Postgres cleanly; by force after `milliseconds`. */
  async close(milliseconds: number): Promise<void> {
    this.#closing = true;
    if (!this.#lost.signal.aborted) this.#tell({ kind: "close" });
    const late = setTimeout(() => void this.kill(), milliseconds);
    await this.#exited.promise;
    clearTimeout(late);
    this.#lose(new Error("the catalog is closed"));
  }

  async kill(): Promise<void> {
    this.#closing = true;
    await this.#worker.terminate();
  }

  #tell(message: ToWorker): void {
    this.#worker.postMessage(message, message instanceof Uint8Array ? [message.buffer as ArrayBuffer] : []);
  }

  #hear(message: FromWorker): void {
    if (message instanceof Uint8Array) this.#awaited.shift()?.(message);
    else if (message.kind === "ready") this.#ready.resolve();
    else if (message.kind === "fatal") this.#lose(new Error(`the catalog's thread failed: ${message.reason}`));
  }

  #lose(cause: Error): void {
    if (this.#lost.signal.aborted) return;
    const error = unavailable(cause);
    this.#lost.abort(error);
    this.#ready.reject(error);
    for (const socket of this.#sockets) socket.destroy(error);
  }
}

function unavailable(cause?: unknown): CisternError {
  return new CisternError("catalog-unavailable", "the catalog is not available", { cause });
}
