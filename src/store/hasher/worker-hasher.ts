import { availableParallelism } from "node:os";
import type { Algorithm } from "../../domain/digest.ts";
import { CisternError } from "../../domain/errors.ts";
import type { Hasher, Hashing } from "../../domain/hasher.ts";
import { DigestEngine } from "./digest-engine.ts";
import { WorkerHashing } from "./worker-hashing.ts";

/**
 * Digests computed by worker threads, one per algorithm (more on machines with many cores), which
 * start with the first stream that needs them and do not keep the process alive. A worker that dies
 * fails the streams of that moment with `internal`; later ones get new workers.
 */
export class WorkerHasher implements Hasher, AsyncDisposable {
  readonly #newEngine: () => DigestEngine;
  #engine: DigestEngine;
  #streams = 0;

  constructor(makeEngine: () => DigestEngine = newEngine) {
    this.#newEngine = makeEngine;
    this.#engine = makeEngine();
  }

  /** Throws `shutting-down` after disposal. */
  start(algorithms: readonly Algorithm[]): Hashing {
    const { failure } = this.#engine;
    if (failure?.code === "internal") this.#engine = this.#newEngine();
    else if (failure !== undefined) throw failure;
    const wanted = new Set<Algorithm>(["sha256", ...algorithms]);
    return new WorkerHashing(this.#streams++, this.#engine, [...wanted]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#engine.end(new CisternError("shutting-down", "the process is ending"));
  }
}

function newEngine(): DigestEngine {
  return new DigestEngine(Math.max(1, Math.min(4, Math.floor(availableParallelism() / 4))));
}
