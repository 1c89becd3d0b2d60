import { Worker } from "node:worker_threads";
import postgres from "postgres";
import { CisternError } from "../../domain/errors.ts";
import type { Database } from "../database.ts";
import { textArray } from "../text-array.ts";
import type { FromWorker, ToWorker, WorkerInput } from "./messages.ts";
import { WorkerSocket } from "./worker-socket.ts";

/** For what is in flight, and again for Postgres itself. */
const CLOSE_MS = 5_000;

/**
 * Starts the embedded Postgres over `directory` in a thread of its own (made at the first start;
 * mode 0700). `catalog-unavailable` when it does not start within `startMilliseconds`. A thread
 * that dies is not started again: what it held in flight is in doubt (I7).
 *
 * @param entry the program of the thread
 */
export async function openPglite(
  directory: string,
  startMilliseconds: number,
  entry = new URL("./worker.ts", import.meta.url),
): Promise<Database> {
  const thread = new PgliteThread(directory, entry);
  try {
    await thread.ready(startMilliseconds);
  } catch (error) {
    await thread.kill();
    throw error;
  }
  let opened = false;
  const sql = postgres({
    host: "localhost",
    port: 5432,
    database: "postgres",
    username: "postgres",
    password: "",
    ssl: false,
    max: 1,
    fetch_types: false,
    types: { textArray },
    idle_timeout: 0,
    max_lifetime: null,
    connect_timeout: 30,
    backoff: false,
    onnotice: () => undefined,
    // In the driver's documentation, but not in its types (hence the assertion): any duplex stream.
    socket: () => {
      // One session: a second one would inherit an unknown transaction of the first.
      const again = opened;
      opened = true;
      return thread.connect(again);
    },
  } as postgres.Options<Record<string, postgres.PostgresType>>);
  return {
    sql,
    lost: thread.lost,
    embedded: true,
    async close() {
      await sql.end({ timeout: thread.lost.aborted ? 0 : CLOSE_MS / 1000 });
      await thread.close(CLOSE_MS);
    },
  };
}

function unavailable(cause?: unknown): CisternError {
  return new CisternError("catalog-unavailable", "the catalog is not available", { cause });
}

/** The worker as the main thread sees it: a queue of answers that are awaited, in order. */
class PgliteThread {
  readonly #worker: Worker;
  readonly #lost = new AbortController();
  readonly #awaited: ((answer: Uint8Array) => void)[] = [];
  readonly #sockets = new Set<WorkerSocket>();
  readonly #ready = Promise.withResolvers<void>();
  readonly #exited = Promise.withResolvers<void>();
  #closing = false;

  constructor(directory: string, entry: URL) {
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
