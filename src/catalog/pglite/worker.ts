import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import type { PGlite } from "@electric-sql/pglite";
import { openCluster } from "./cluster.ts";
import type { FromWorker, ToWorker, WorkerInput } from "./messages.ts";

/** The thread of the embedded Postgres: answers protocol bytes, one message at a time, in order. */
async function run(port: MessagePort, input: WorkerInput): Promise<void> {
  const pg = await openCluster(input.directory, (reason) => end(port, reason));
  port.on("message", (message: ToWorker) => {
    if (message instanceof Uint8Array) answer(port, pg, message);
    else close(port, pg).catch((error: unknown) => end(port, error));
  });
  say(port, { kind: "ready" });
}

function answer(port: MessagePort, pg: PGlite, message: Uint8Array): void {
  try {
    const bytes = Uint8Array.from(pg.execProtocolRawSync(message));
    port.postMessage(bytes, [bytes.buffer]);
  } catch (error) {
    end(port, error);
  }
}

async function close(port: MessagePort, pg: PGlite): Promise<void> {
  await pg.close();
  say(port, { kind: "closed" });
  port.close();
}

/** Ends the thread where it stands, in the middle of Postgres if need be. */
function end(port: MessagePort, reason: unknown): never {
  say(port, { kind: "fatal", reason: reason instanceof Error ? reason.message : String(reason) });
  // biome-ignore lint/style/noRestrictedGlobals: ends this thread, not the process
  process.exit(1);
}

function say(port: MessagePort, message: FromWorker): void {
  port.postMessage(message);
}

if (parentPort === null) throw new Error("this file is the entry of a worker thread");
const port = parentPort;
run(port, workerData).catch((error: unknown) => end(port, error));
