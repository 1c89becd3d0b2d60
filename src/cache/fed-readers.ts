import { LRUCache } from "lru-cache";
import type { BlobRef } from "../domain/blob.ts";
import type { Clock } from "../domain/clock.ts";
import type { CisternError, ErrorCode } from "../domain/errors.ts";
import type { Fill } from "./fill.ts";
import type { Tombstones } from "./tombstones.ts";
import { WRONG_BYTES } from "./verify-fill.ts";

export interface FedReadersPorts {
  readonly clock: Clock;
  /** Other processes serve the same blobs. */
  readonly shared: boolean;
}

/** How long the readers of a failed fill may be kept for the sake of telling the other processes. */
const TELL_MS = 2_000;
/** How long a notification takes to come through. */
const SPREAD_MS = 100;

/** After these the next run may go on with the very same bytes. */
const INTERRUPTIONS: ReadonlySet<ErrorCode> = new Set([
  "origin-unreachable",
  "origin-timeout",
  "origin-failed",
  "origin-refused",
  "origin-broken",
  "shutting-down",
  "too-busy",
  "catalog-unavailable",
]);

/** Who was given bytes of which blobs by a fill that did not end. */
interface Fed {
  readonly blobs: readonly BlobRef[];
  readonly callers: ReadonlySet<string>;
}

/** What becomes of those whom a failed fill has given bytes, wrong or right (I1). */
export class FedReaders {
  readonly #tombstones: Tombstones;
  readonly #ports: FedReadersPorts;
  /** Whom the last failed run of a content gave bytes: right ones, if the next run resumes its spool. */
  readonly #interrupted = new LRUCache<string, Fed>({ max: 1_000 });

  constructor(tombstones: Tombstones, ports: FedReadersPorts) {
    this.#tombstones = tombstones;
    this.#ports = ports;
  }

  /** Buries them, and waits a while until every other process may have heard of it. */
  async tell(fill: Fill, failure: CisternError): Promise<void> {
    if (fill.fed.size === 0 && !fill.fedUnknown) return;
    const { clock, shared } = this.#ports;
    const late = new AbortController();
    const told = this.bury(fill, failure);
    try {
      await Promise.race([told, clock.sleep(TELL_MS, late.signal)]);
      if (shared) await clock.sleep(SPREAD_MS, late.signal);
    } finally {
      late.abort();
    }
  }

  /** Buries whoever was given bytes, unless the next run goes on with the very same ones. */
  async bury(fill: Fill, failure: CisternError): Promise<void> {
    // A store that fails on the way has given out what was admitted.
    if (fill.plan.content !== undefined && !WRONG_BYTES.has(failure.code)) return;
    const blobs = [...fill.records.values()].map(({ ref }) => ref);
    const everybody = fill.fedUnknown && !INTERRUPTIONS.has(failure.code);
    const known = fill.fed.size === 0 ? undefined : fill.fed;
    if (known !== undefined) this.#interrupted.set(fill.plan.domain, { blobs, callers: known });
    await Promise.all([
      everybody ? this.#tombstones.bury(blobs, undefined) : undefined,
      known === undefined ? undefined : this.#tombstones.bury(blobs, known),
    ]);
  }

  /** The next run of what failed: when it goes on with the same bytes, its readers' bytes were right. */
  inherit(fill: Fill): void {
    const { domain } = fill.plan;
    const before = this.#interrupted.get(domain);
    if (before === undefined) return;
    this.#interrupted.delete(domain);
    fill.onBegin = (resumed) => {
      if (!resumed) return;
      void this.#tombstones.lift(before.blobs, before.callers);
      for (const caller of before.callers) fill.feed(caller);
    };
  }
}
