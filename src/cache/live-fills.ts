import { createHash } from "node:crypto";
import type { Clock } from "../domain/clock.ts";
import type { FillId } from "../domain/fill-entry.ts";
import type { LiveFill, LiveFills } from "../domain/live-fill.ts";
import { maskUrl, originOf } from "../domain/location.ts";
import type { Fill } from "./fill.ts";
import type { FillRegistry } from "./fill-registry.ts";

export interface LiveFillPorts {
  readonly fills: Pick<FillRegistry, "list">;
  readonly clock: Clock;
  /** Names this process. */
  readonly holder: string;
}

/** Tells of the fills of this process that the queue does not tell of. */
export class RunningFills implements LiveFills {
  readonly #ports: LiveFillPorts;
  readonly #prefix: string;

  constructor(ports: LiveFillPorts) {
    this.#ports = ports;
    this.#prefix = `d-${createHash("sha256").update(ports.holder).digest("hex").slice(0, 16)}-`;
  }

  list(): readonly LiveFill[] {
    // What a prefetch waits for is its row; what comes from the store is no fetch.
    return this.#ports.fills
      .list()
      .flatMap((fill) => (fill.awaited.size > 0 || fill.plan.content !== undefined ? [] : (this.factsOf(fill) ?? [])));
  }

  progress(id: FillId): Pick<LiveFill, "bytes" | "total" | "rate" | "followers"> | undefined {
    const fill = this.#ports.fills.list().find(({ awaited }) => awaited.has(id));
    if (fill === undefined) return undefined;
    const { mark: bytes, total, readers } = fill;
    return { bytes, total, rate: fill.rate(this.#ports.clock.monotonic()), followers: readers.size };
  }

  /** The fill that is listed under this id; undefined: it is over. */
  find(id: FillId): Fill | undefined {
    return this.#ports.fills.list().find((fill) => this.#idOf(fill) === id);
  }

  /** undefined: no record refers to it any more. */
  factsOf(fill: Fill): LiveFill | undefined {
    const [record] = fill.records.values();
    const url = fill.origin?.url ?? fill.plan.sources[0]?.url;
    if (record === undefined || url === undefined) return undefined;
    const { clock, holder } = this.#ports;
    const now = clock.monotonic();
    const { artifactId, field, key } = record.ref;
    return {
      id: this.#idOf(fill),
      ref: { artifactId, field, key },
      type: record.type,
      name: record.name,
      source: maskUrl(url),
      origin: originOf(url),
      project: record.owner,
      bytes: fill.mark,
      total: fill.total,
      rate: fill.rate(now),
      followers: fill.readers.size,
      holder,
      startedAt: new Date(clock.now().getTime() - (now - fill.startedAt)),
      waiting: fill.waiting,
    };
  }

  #idOf(fill: Fill): FillId {
    return `${this.#prefix}${fill.id}` as FillId;
  }
}
