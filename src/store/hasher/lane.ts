import { Worker } from "node:worker_threads";
import { CisternError } from "../../domain/errors.ts";
import type { LaneDigest, LaneReply, LaneRequest, LaneSetup } from "./lane-message.ts";

/** A worker that computes one algorithm, for any number of streams, in the order of its requests. */
export class Lane {
  readonly algorithm: LaneSetup["algorithm"];
  /** Streams that use it. */
  streams = 0;
  readonly #worker: Worker;
  readonly #asked = new Map<number, PromiseWithResolvers<string>>();
  #asks = 0;

  /**
   * @param onFree told of every slot whose last reader was this lane
   * @param onDeath told once when the worker ends without having been told to
   */
  constructor(setup: LaneSetup, onFree: (slot: number) => void, onDeath: (error: CisternError) => void) {
    this.algorithm = setup.algorithm;
    this.#worker = new Worker(new URL("./digest-worker.ts", import.meta.url), {
      workerData: setup,
      name: `digest-${setup.algorithm}`,
      execArgv: [],
      resourceLimits: { maxOldGenerationSizeMb: 64, maxYoungGenerationSizeMb: 4 },
    });
    this.#worker.unref();
    this.#worker.on("message", (reply: LaneReply) => {
      if (typeof reply === "number") onFree(reply);
      else this.#answer(reply);
    });
    const dead = (cause: unknown) => onDeath(new CisternError("internal", "computing a digest failed", { cause }));
    this.#worker.on("error", dead);
    this.#worker.on("exit", (code) => dead(new Error(`the worker ended with code ${code}`)));
  }

  post(request: LaneRequest): void {
    this.#worker.postMessage(request);
  }

  /** Asks for the digest of what was posted so far. */
  ask(kind: "prefix" | "finish", stream: number): Promise<string> {
    const ask = this.#asks++;
    const answer = Promise.withResolvers<string>();
    this.#asked.set(ask, answer);
    this.post({ kind, stream, ask });
    return answer.promise;
  }

  /** While somebody waits for it, the worker keeps the process alive. */
  hold(): void {
    this.#worker.ref();
  }

  letGo(): void {
    this.#worker.unref();
  }

  /** Rejects what was asked and ends the worker. */
  async end(error: CisternError): Promise<void> {
    this.#worker.removeAllListeners();
    // A worker that fails while it is being ended has nobody left to tell.
    this.#worker.on("error", () => undefined);
    for (const answer of this.#asked.values()) answer.reject(error);
    this.#asked.clear();
    await this.#worker.terminate();
  }

  #answer({ ask, digest }: LaneDigest): void {
    const answer = this.#asked.get(ask);
    this.#asked.delete(ask);
    answer?.resolve(digest);
  }
}
