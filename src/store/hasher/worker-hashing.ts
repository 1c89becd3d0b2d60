import type { Algorithm, Digests, Sha256 } from "../../domain/digest.ts";
import { sha256 } from "../../domain/digest.ts";
import { CisternError } from "../../domain/errors.ts";
import type { Hashing } from "../../domain/hasher.ts";
import type { DigestEngine, EngineUser } from "./digest-engine.ts";
import type { Lane } from "./lane.ts";
import { SLOT_BYTES, type SlotPool, type SlotUser } from "./slot-pool.ts";

/** Less than this is not worth a message, */
const EAGER_BYTES = 128 * 1024;
/** except towards the end: what is hashed by then is not waited for. */
const TAIL_BYTES = 512 * 1024;
const EAGER_TAIL_BYTES = 16 * 1024;

/** An `update` that waits for a slot. */
interface Pending {
  readonly chunk: Uint8Array;
  offset: number;
  readonly done: PromiseWithResolvers<void>;
  /** What was asked for meanwhile: to run when the chunk is in, before its caller goes on. */
  readonly followUps: (() => void)[];
}

/** One stream whose bytes go through shared memory to one worker per algorithm. */
export class WorkerHashing implements Hashing, SlotUser, EngineUser {
  readonly #id: number;
  readonly #engine: DigestEngine;
  readonly #pool: SlotPool;
  readonly #lanes: readonly Lane[];
  #slot: number | undefined;
  #fill = 0;
  #left = Number.POSITIVE_INFINITY;
  #pending: Pending | undefined;
  #failure: CisternError | undefined;

  constructor(id: number, engine: DigestEngine, algorithms: readonly Algorithm[]) {
    this.#id = id;
    this.#engine = engine;
    this.#pool = engine.pool;
    this.#lanes = engine.join(this, algorithms);
  }

  update(chunk: Uint8Array, left = Number.POSITIVE_INFINITY): Promise<void> | undefined {
    if (this.#failure !== undefined) return Promise.reject(this.#failure);
    if (this.#pending !== undefined) return Promise.reject(new CisternError("internal", "update does not wait"));
    this.#left = left;
    const offset = this.#copy(chunk, 0);
    if (offset === chunk.length) return undefined;
    const done = Promise.withResolvers<void>();
    this.#pending = { chunk, offset, done, followUps: [] };
    this.#await();
    return this.#engine.held(done.promise);
  }

  async prefix(): Promise<Sha256> {
    const lane = this.#lanes.find(({ algorithm }) => algorithm === "sha256");
    if (lane === undefined) throw new CisternError("internal", "sha256 is always computed");
    return sha256(await this.#engine.held(this.#ask(() => lane.ask("prefix", this.#id))));
  }

  async finish(): Promise<Digests & { readonly sha256: Sha256 }> {
    const asked = this.#ask(() => Promise.all(this.#lanes.map((lane) => lane.ask("finish", this.#id))));
    const answers = await this.#engine.held(asked);
    this.#engine.leave(this, this.#lanes);
    this.#failure ??= new CisternError("internal", "the digests were computed already");
    const digests = Object.fromEntries(this.#lanes.map(({ algorithm }, index) => [algorithm, answers[index]]));
    return { ...digests, sha256: sha256(String(digests.sha256)) };
  }

  abandon(): void {
    if (this.#failure !== undefined) return;
    for (const lane of this.#lanes) lane.post({ kind: "forget", stream: this.#id });
    this.#engine.leave(this, this.#lanes);
    this.fail(new CisternError("fill-cancelled", "the digests are not wanted any more"));
  }

  flush(): void {
    if (this.#slot === undefined) return;
    const slot = this.#slot;
    const length = this.#fill;
    this.#slot = undefined;
    this.#pool.dispatch(slot, this, this.#lanes.length);
    for (const lane of this.#lanes) lane.post({ kind: "update", stream: this.#id, slot, length });
  }

  fail(error: CisternError): void {
    this.#failure ??= error;
    if (this.#slot !== undefined) this.#pool.giveBack(this.#slot, this);
    this.#slot = undefined;
    const pending = this.#pending;
    this.#pending = undefined;
    pending?.done.reject(this.#failure);
    for (const run of pending?.followUps ?? []) run();
  }

  /** Copies as much as there are slots for; answers the offset of what is left. */
  #copy(chunk: Uint8Array, from: number): number {
    let offset = from;
    while (offset < chunk.length) {
      if (this.#slot === undefined) {
        this.#slot = this.#pool.take(this);
        this.#fill = 0;
        if (this.#slot === undefined) return offset;
      }
      const bytes = Math.min(chunk.length - offset, SLOT_BYTES - this.#fill);
      const piece = bytes === chunk.length ? chunk : chunk.subarray(offset, offset + bytes);
      this.#pool.fill(this.#slot, this.#fill, piece);
      this.#fill += bytes;
      offset += bytes;
      if (this.#fill === SLOT_BYTES) this.flush();
    }
    // Workers that have nothing to do take what there is: then little is left to hash at the end.
    const worth = this.#left > TAIL_BYTES ? EAGER_BYTES : EAGER_TAIL_BYTES;
    if (this.#left === 0 || (this.#fill >= worth && this.#pool.isIdle(this))) this.flush();
    return offset;
  }

  #await(): void {
    this.#pool.wait(this, (slot) => {
      const pending = this.#pending;
      if (pending === undefined) return this.#pool.giveBack(slot, this);
      this.#slot = slot;
      this.#fill = 0;
      pending.offset = this.#copy(pending.chunk, pending.offset);
      if (pending.offset < pending.chunk.length) return this.#await();
      this.#pending = undefined;
      for (const run of pending.followUps) run();
      pending.done.resolve();
    });
  }

  /** Runs `ask` when every byte of `update` so far is on its way to the workers. */
  #ask<T>(ask: () => Promise<T>): Promise<T> {
    const answer = Promise.withResolvers<T>();
    const run = () => {
      if (this.#failure !== undefined) return answer.reject(this.#failure);
      this.flush();
      answer.resolve(ask());
    };
    if (this.#pending === undefined) run();
    else this.#pending.followUps.push(run);
    return answer.promise;
  }
}
