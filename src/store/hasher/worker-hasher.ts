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
  #ended: CisternError | undefined;

  constructor(makeEngine: () => DigestEngine = newEngine) {
    this.#newEngine = makeEngine;
    this.#engine = makeEngine();
  }

  /** Throws `shutting-down` after disposal. */
  start(algorithms: readonly Algorithm[]): Hashing {
    if (this.#ended !== undefined) throw this.#ended;
    if (this.#engine.failed) this.#engine = this.#newEngine();
    const wanted = new Set<Algorithm>(["sha256", ...algorithms]);
    return new WorkerHashing(this.#streams++, this.#engine, [...wanted]);
  }

  [Symbol.asyncDispose](): Promise<void> {
    this.#ended ??= new CisternError("shutting-down", "the process is ending");
    return this.#engine.end(this.#ended);
  }
}

function newEngine(): DigestEngine {
  return new DigestEngine(Math.max(1, Math.min(4, Math.floor(availableParallelism() / 4))));
}
