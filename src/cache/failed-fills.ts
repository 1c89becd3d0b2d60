import { LRUCache } from "lru-cache";
import type { ErrorCode } from "../domain/errors.ts";
import { isCisternError } from "../domain/errors.ts";
import type { Events } from "../domain/events.ts";
import type { FillWork } from "../domain/fill-queue.ts";
import type { Fill } from "./fill.ts";
import type { RunningFills } from "./live-fills.ts";

export interface FailedFillPorts {
  readonly work: Pick<FillWork, "note">;
  readonly live: Pick<RunningFills, "factsOf">;
  readonly events: Events;
}

/** A content that is asked for again and again, and fails each time, is noted so often. */
const QUIET_MS = 10_000;
/** Nothing has failed: somebody stopped it, or another replica tells. */
const NO_FAILURE: ReadonlySet<ErrorCode> = new Set(["shutting-down", "fill-cancelled", "catalog-unavailable"]);

/** Notes which fetches have failed that somebody wanted to read, for whoever looks for the reason. */
export class FailedFills {
  readonly #ports: FailedFillPorts;
  readonly #noted = new LRUCache<string, true>({ max: 10_000, ttl: QUIET_MS });

  constructor(ports: FailedFillPorts) {
    this.#ports = ports;
  }

  /** Told of fills that are over. A note that cannot be written is none. */
  note(fill: Fill): void {
    const { failure, plan } = fill;
    if (failure === undefined || !fill.demanded || plan.content !== undefined || NO_FAILURE.has(failure.code)) return;
    const facts = this.#ports.live.factsOf(fill);
    if (facts === undefined || this.#noted.has(plan.domain)) return;
    this.#noted.set(plan.domain, true);
    this.#ports.work.note(facts, failure.code, failure.message).catch((cause) => {
      if (!isCisternError(cause)) throw cause;
      this.#ports.events.emit({ kind: "degraded", part: "catalog", cause });
    });
  }
}
