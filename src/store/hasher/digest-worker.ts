import { createHash, type Hash } from "node:crypto";
import { setPriority } from "node:os";
import { parentPort, workerData } from "node:worker_threads";
import type { LaneReply, LaneRequest, LaneSetup } from "./lane-message.ts";

// On Linux this is the priority of this thread alone: hashing takes what is left beside the main
// thread, on which all readers wait.
setPriority(5);

const { algorithm, slots, slotBytes, readers }: LaneSetup = workerData;
const readersLeft = new Int32Array(readers);
const hashes = new Map<number, Hash>();

parentPort?.on("message", (request: LaneRequest) => {
  switch (request.kind) {
    case "update": {
      hashOf(request.stream).update(Buffer.from(slots, request.slot * slotBytes, request.length));
      if (Atomics.sub(readersLeft, request.slot, 1) === 1) reply(request.slot);
      return;
    }
    case "prefix":
      return reply({ ask: request.ask, digest: hashOf(request.stream).copy().digest("hex") });
    case "finish":
      reply({ ask: request.ask, digest: hashOf(request.stream).digest("hex") });
      hashes.delete(request.stream);
      return;
    case "forget":
      hashes.delete(request.stream);
  }
});

function hashOf(stream: number): Hash {
  const known = hashes.get(stream);
  if (known !== undefined) return known;
  const hash = createHash(algorithm);
  hashes.set(stream, hash);
  return hash;
}

function reply(message: LaneReply): void {
  parentPort?.postMessage(message);
}
