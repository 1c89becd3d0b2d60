import type { Algorithm } from "../../domain/digest.ts";
import type { CisternError } from "../../domain/errors.ts";
import { Lane } from "./lane.ts";
import { SLOT_BYTES, SlotPool } from "./slot-pool.ts";

/** A stream as the engine sees it: whom to tell that nothing more will come. */
export interface EngineUser {
  fail(error: CisternError): void;
}

/**
 * Workers and the memory that they share. When one worker dies nobody can tell which slots it had
 * read: the whole engine fails, and its owner begins with another one.
 */
export class DigestEngine {
  readonly pool = new SlotPool();
  readonly #perAlgorithm: number;
  readonly #lanes = new Map<Algorithm, Lane[]>();
  readonly #users = new Set<EngineUser>();
  #held = 0;
  #failed = false;

  /** @param perAlgorithm workers of one algorithm at most; one more starts only when all have work */
  constructor(perAlgorithm: number) {
    this.#perAlgorithm = perAlgorithm;
  }

  get failed(): boolean {
    return this.#failed;
  }

  /** A worker for each algorithm, the least busy of its kind, started when it is the first need. */
  join(user: EngineUser, algorithms: readonly Algorithm[]): Lane[] {
    this.#users.add(user);
    return algorithms.map((algorithm) => {
      const lane = this.#lane(algorithm);
      lane.streams += 1;
      return lane;
    });
  }

  leave(user: EngineUser, lanes: readonly Lane[]): void {
    if (!this.#users.delete(user)) return;
    for (const lane of lanes) lane.streams -= 1;
  }

  /** Keeps the process alive until the promise is settled: workers alone do not. */
  async held<T>(answer: Promise<T>): Promise<T> {
    this.#held += 1;
    if (this.#held === 1) for (const lane of this.#all()) lane.hold();
    try {
      return await answer;
    } finally {
      this.#held -= 1;
      if (this.#held === 0) for (const lane of this.#all()) lane.letGo();
    }
  }

  /** Ends the workers; streams that are not finished fail with `error`. */
  async end(error: CisternError): Promise<void> {
    this.#failed = true;
    const users = [...this.#users];
    this.#users.clear();
    for (const user of users) user.fail(error);
    const lanes = [...this.#all()];
    this.#lanes.clear();
    await Promise.all(lanes.map((lane) => lane.end(error)));
  }

  #lane(algorithm: Algorithm): Lane {
    const lanes = this.#lanes.get(algorithm) ?? [];
    const idlest = lanes.reduce<Lane | undefined>(
      (best, lane) => (best === undefined || lane.streams < best.streams ? lane : best),
      undefined,
    );
    if (idlest !== undefined && (idlest.streams === 0 || lanes.length >= this.#perAlgorithm)) return idlest;
    const { slots, readers } = this.pool;
    const lane = new Lane(
      { algorithm, slots, slotBytes: SLOT_BYTES, readers },
      (slot) => this.pool.returned(slot),
      (error) => void this.end(error),
    );
    if (this.#held > 0) lane.hold();
    this.#lanes.set(algorithm, [...lanes, lane]);
    return lane;
  }

  *#all(): Generator<Lane> {
    for (const lanes of this.#lanes.values()) yield* lanes;
  }
}
